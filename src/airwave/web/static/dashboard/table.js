// A table that the server searches, sorts and pages, kept fresh while it is looked at. Its state stands in the address,
// so that a reload, a bookmark and the back button work. Rows are kept by key: what has not changed is not touched, so
// that focus and selections stay.

import { h, hint, put, setText } from "./dom.js";
import { count } from "./format.js";
import { query, replaceQuery } from "./route.js";

const REFRESH_MS = 2000;
const PAGE = 50;

/**
 * @param {object} options
 *   caption: what the table is, for screen readers
 *   columns: [{ key?: sort key of the API, label, number?: bool, hint?: text, first?: "desc", wide?: bool, cell: row => cell }]
 *     wide: left out where there is little room
 *     cell: a text, or { text, href?, title?, class?, node?: () => Node made once for a row }
 *   id: row => key
 *   load: ({ q, sort, desc, offset, limit }) => Promise<{ rows, total }>
 *   search: placeholder; without it there is no search
 *   sort: the sort key at the beginning; desc: descending then
 *   tools: more elements beside the search
 *   empty: ({ q }) => content for "no rows"
 *   fixed: true: no refresh by time
 * @returns {{element: HTMLElement, refresh: () => Promise<void>, stop: () => void}}
 */
export function table(options) {
  const { columns, id, load, empty, caption } = options;
  const asked = query();
  const state = {
    q: asked.get("q") || "",
    sort: asked.get("sort") || options.sort || "",
    desc: asked.has("sort") ? asked.get("desc") === "1" : Boolean(options.desc),
    offset: (Math.max(1, Number(asked.get("page")) || 1) - 1) * PAGE,
  };
  const known = new Map();
  let timer = 0;
  let turn = 0;
  let stopped = false;

  const search = options.search
    ? h("input.search", { type: "search", placeholder: options.search, "aria-label": options.search, value: state.q, autocomplete: "off", spellcheck: "false" })
    : null;
  const heads = columns.map((column) => head(column));
  const body = h("tbody");
  const grid = h("table.grid", {}, h("caption.unseen", {}, caption), h("thead", {}, h("tr", {}, heads.map((each) => each.cell))), body);
  const sum = h("p.sum");
  const previous = h("button", { type: "button", onclick: () => turnPage(-1) }, "Previous");
  const next = h("button", { type: "button", onclick: () => turnPage(1) }, "Next");
  const pager = h("nav.pager", { "aria-label": "Pages", hidden: true }, previous, next);
  const nothing = h("div.empty", { hidden: true });
  const trouble = h("p.trouble", { role: "alert", hidden: true });
  const foot = h("div.tablefoot", {}, sum, pager);
  const bar = search || options.tools ? h("div.toolbar", {}, search, options.tools || []) : null;
  const element = h("div.tableview", {}, bar, trouble, h("div.scroll", {}, grid), nothing, foot);
  put(body, skeleton());
  paintHeads();

  if (search) {
    let waiting = 0;
    search.addEventListener("input", () => {
      clearTimeout(waiting);
      Object.assign(state, { q: search.value.trim(), offset: 0 });
      note();
      waiting = setTimeout(refresh, 150);
    });
    search.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      clearTimeout(waiting);
      change({ q: search.value.trim(), offset: 0 });
    });
  }

  /** A heading; over numbers, which stand at the right, the label stands at the right of all else. */
  function head(column) {
    const tag = `th${column.number ? ".number" : ""}${column.wide ? ".wide" : ""}`;
    const about = column.hint ? hint(column.hint, column.label) : null;
    const inside = (label) => (column.number ? [about, label] : [label, about]);
    if (!column.key) return { column, cell: h(tag, { scope: "col" }, inside(column.label || h("span.unseen", {}, "Actions"))) };
    const arrow = h("span.arrow", { "aria-hidden": "true" });
    const button = h("button.sort", { type: "button" }, column.number ? [arrow, column.label] : [column.label, arrow]);
    const cell = h(tag, { scope: "col", "aria-sort": "none" }, inside(button));
    button.addEventListener("click", () => {
      const again = state.sort === column.key;
      change({ sort: column.key, desc: again ? !state.desc : column.number || column.first === "desc", offset: 0 });
    });
    return { column, cell };
  }

  function paintHeads() {
    for (const { column, cell } of heads) {
      if (column.key) cell.setAttribute("aria-sort", state.sort !== column.key ? "none" : state.desc ? "descending" : "ascending");
    }
  }

  function skeleton() {
    return Array.from({ length: 6 }, () => h("tr.skeleton", { "aria-hidden": "true" }, columns.map(() => h("td", {}, h("span.bone")))));
  }

  /** Put the state into the address. */
  function note() {
    replaceQuery({
      q: state.q,
      sort: state.sort === (options.sort || "") && state.desc === Boolean(options.desc) ? "" : state.sort,
      desc: state.sort === (options.sort || "") && state.desc === Boolean(options.desc) ? "" : state.desc ? "1" : "0",
      page: state.offset ? String(state.offset / PAGE + 1) : "",
    });
  }

  function change(what) {
    Object.assign(state, what);
    note();
    paintHeads();
    return refresh();
  }

  function turnPage(step) {
    element.scrollIntoView({ block: "start" });
    return change({ offset: Math.max(0, state.offset + step * PAGE) });
  }

  async function refresh() {
    clearTimeout(timer);
    const mine = ++turn;
    try {
      const found = await load({ q: state.q, sort: state.sort, desc: state.desc ? 1 : 0, offset: state.offset, limit: PAGE });
      if (mine !== turn || stopped) return;
      if (!found.rows.length && state.offset > 0 && found.total <= state.offset) {
        state.offset = Math.max(0, Math.ceil(found.total / PAGE) - 1) * PAGE;
        await refresh();
        return;
      }
      trouble.hidden = true;
      paint(found);
    } catch (error) {
      if (mine !== turn || stopped) return;
      trouble.hidden = error.status === 0; // the banner says so already
      setText(trouble, error.message);
    }
    if (!options.fixed) timer = setTimeout(() => (document.hidden ? later() : refresh()), REFRESH_MS);
  }

  function later() {
    document.addEventListener("visibilitychange", () => !stopped && refresh(), { once: true });
  }

  function paint({ rows, total }) {
    const seen = new Set();
    let place = null;
    for (const bone of body.querySelectorAll(".skeleton")) bone.remove();
    for (const row of rows) {
      const key = id(row);
      seen.add(key);
      let line = known.get(key);
      if (!line) {
        line = make(row);
        known.set(key, line);
      }
      line.row = row;
      line.cells.forEach((cell, index) => fillCell(cell, columns[index].cell(row), () => line.row));
      const after = place ? place.nextSibling : body.firstChild;
      if (after !== line.element) body.insertBefore(line.element, after);
      place = line.element;
    }
    for (const [key, line] of known) {
      if (seen.has(key)) continue;
      line.element.remove();
      known.delete(key);
    }
    const some = rows.length > 0;
    nothing.hidden = some;
    grid.hidden = !some;
    if (!some) put(nothing, empty({ q: state.q }));
    const last = state.offset + rows.length;
    setText(sum, some ? (total > rows.length ? `${count(state.offset + 1)}–${count(last)} of ${count(total)}` : `${count(total)} in all`) : "");
    pager.hidden = total <= PAGE;
    previous.disabled = state.offset === 0;
    next.disabled = last >= total;
  }

  function make(row) {
    const cells = columns.map((column, index) =>
      h(`${index === 0 ? "th" : "td"}${column.number ? ".number" : ""}${column.wide ? ".wide" : ""}`, { scope: index === 0 ? "row" : null, dataset: { label: column.label || "" } }),
    );
    return { row, cells, element: h("tr", {}, cells) };
  }

  return {
    element,
    refresh,
    focusSearch: () => search && search.focus(),
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** Fill a cell, changing only what is different. */
function fillCell(cell, wanted, row) {
  const { text = "", href = null, title = null, class: kind = "", node = null } = typeof wanted === "object" && wanted !== null ? wanted : { text: String(wanted) };
  if (node) {
    if (!cell.firstChild) cell.append(node(row));
    return;
  }
  cell.classList.toggle("blank", text === "" || text === "–"); // phones leave these out
  let inside = cell.firstElementChild;
  const tag = href === null ? "SPAN" : "A";
  if (!inside || inside.tagName !== tag) {
    inside = document.createElement(tag);
    cell.replaceChildren(inside);
  }
  if (inside.className !== kind) inside.className = kind;
  if (href !== null && inside.getAttribute("href") !== href) inside.setAttribute("href", href);
  if (title !== null && inside.title !== title) inside.title = title;
  setText(inside, text);
}
