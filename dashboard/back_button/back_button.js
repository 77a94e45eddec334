// Going from one page to another, Streamlit 1.67 first puts the next page's parameters into the address of the
// page that is left, as an entry of its own in the browser's history, and then adds the next page. Back would
// stop there, on a page that nobody has seen, and that page would change its address again. So the next page
// takes the place of such an entry.
const WITHIN = 5_000; // milliseconds between the two: a server at work may be slow

export default function () {
  const { history, location } = window;
  if (history.tidysetEntries) return;
  history.tidysetEntries = true;
  const push = history.pushState;
  let passing = null; // the entry pushed last, where only its parameters were new

  history.pushState = function (state, title, address) {
    const to = new URL(address, location.href);
    const isSamePage = to.pathname === location.pathname;
    const takesItsPlace =
      passing !== null &&
      !isSamePage &&
      to.search === passing.search &&
      location.search === passing.search &&
      performance.now() - passing.at < WITHIN;
    passing = isSamePage ? { search: to.search, at: performance.now() } : null;
    if (takesItsPlace) history.replaceState(state, title, address);
    else push.call(history, state, title, address);
  };
  window.addEventListener("popstate", () => {
    passing = null;
  });
}
