// Where in the pages we are: `#/stream/orders?from=…`. The part before "?" chooses the page, the rest is its state.

/** The parts of the path: ["stream", "orders"], still percent-encoded as keys are. */
export function parts() {
  return location.hash.replace(/^#\/?/, "").split("?")[0].split("/");
}

/** The state of the page. */
export function query() {
  return new URLSearchParams(location.hash.split("?")[1] || "");
}

/** Note the state of the page, without going to another one. Empty values are left out. */
export function replaceQuery(values) {
  const wanted = query();
  for (const [name, value] of Object.entries(values)) {
    if (value === "" || value === null || value === undefined) wanted.delete(name);
    else wanted.set(name, value);
  }
  const text = wanted.toString();
  history.replaceState(null, "", `#/${parts().join("/")}${text ? `?${text}` : ""}`);
}

/** Go to a page. */
export function go(path) {
  location.hash = `#/${path}`;
}
