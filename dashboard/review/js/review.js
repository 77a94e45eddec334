// One-key labelling. Text from the data is only ever set as textContent.
//
// A decision is painted at once, put into the outbox, posted, and counted as saved only when the server says
// that it is committed.
const views = new WeakMap();

function review({ data, parentElement, setStateValue, setTriggerValue }) {
  let view = views.get(parentElement);
  if (!view) {
    view = createView(parentElement);
    views.set(parentElement, view);
  }
  view.report = (saved) => setStateValue("saved", saved);
  view.open = (offset) => setTriggerValue("offset", offset);
  update(view, data);
  const call = (view.calls = (view.calls ?? 0) + 1);
  return () => {
    if (view.calls !== call) return; // drawn again since: the clearing up of the call before comes late
    clearTimeout(view.settling);
    clearTimeout(view.asking);
    clearInterval(view.watch);
    document.removeEventListener("pointerdown", view.elsewhere, true);
    document.removeEventListener("click", view.pressed, true);
    view.box?.watchers.delete(view.onBox);
    view.root.remove();
    views.delete(parentElement);
  };
}
