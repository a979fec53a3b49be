/** Follow a link inside the page; with a modifier key the browser does what it always does. */
export function visit(show) {
  return (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    show();
  };
}
