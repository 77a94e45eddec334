// Going from one page to another, Streamlit 1.67 first puts the next page's parameters into the address of the
// page that is left, then takes those of its widgets out again one by one, each as an entry of its own in the
// browser's history, and then adds the next page. Back would stop at each of them: a page that nobody has seen,
// and that changes its address again. So a burst of changes is one entry, the next page takes its place, and
// what changes at once after a page has come is part of that page.
const BURST = 1_000; // milliseconds between two changes of the address that are one
const WITHIN = 5_000; // between the last of them and the next page: a server at work may be slow

export default function () {
  const { history, location } = window;
  if (history.tidysetEntries) return;
  history.tidysetEntries = true;
  const push = history.pushState;
  let last = null; // the entry pushed last

  history.pushState = function (state, title, address) {
    const to = new URL(address, location.href);
    const since = last === null ? Infinity : performance.now() - last.at;
    const isChange = to.pathname === location.pathname;
    const isNext = !isChange && last?.isChange && to.search === last.search && location.search === last.search;
    last = { search: to.search, isChange, at: performance.now() };
    if ((isChange && since < BURST) || (isNext && since < WITHIN)) {
      history.replaceState(state, title, address);
    } else {
      push.call(history, state, title, address);
    }
  };
  window.addEventListener("popstate", () => {
    last = null;
  });
}
