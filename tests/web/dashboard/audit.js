// What must be true of every page for those who cannot see it, or not well. Gives what is wrong, in words.
() => {
  const wrong = [];
  const shown = (element) => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  const told = (element) => `${element.tagName.toLowerCase()}.${element.className} "${(element.textContent || "").trim().slice(0, 40)}"`;

  // --- structure ---
  if (document.documentElement.lang !== "en") wrong.push("the page has no language");
  if (document.querySelectorAll("main").length !== 1) wrong.push("there is not one main");
  if ([...document.querySelectorAll("h1")].filter(shown).length !== 1) wrong.push("there is not one h1");
  let level = 0;
  for (const heading of [...document.querySelectorAll("main h1, main h2, main h3")].filter(shown)) {
    const now = Number(heading.tagName[1]);
    if (now > level + 1) wrong.push(`a level is left out before ${told(heading)}`);
    if (!heading.textContent.trim()) wrong.push("a heading is empty");
    level = now;
  }
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of ids.filter((each, place) => ids.indexOf(each) !== place)) wrong.push(`the id ${id} is there twice`);

  // --- names ---
  const name = (element) => {
    const by = element.getAttribute("aria-labelledby");
    if (by) return by.split(" ").map((id) => document.getElementById(id)?.textContent || "").join(" ").trim();
    const label = element.getAttribute("aria-label");
    if (label) return label.trim();
    if (element.labels && element.labels.length) return [...element.labels].map((each) => each.textContent).join(" ").trim();
    const image = element.querySelector("img[alt]");
    return (element.textContent || (image && image.alt) || element.title || "").trim();
  };
  for (const element of document.querySelectorAll("a, button, input, select, textarea, dialog, nav, summary, [role=img], [role=log], section")) {
    if (shown(element) && !name(element)) wrong.push(`no name: ${told(element)}`);
  }
  for (const image of document.querySelectorAll("img")) if (!image.hasAttribute("alt")) wrong.push("an image has no alt");
  for (const svg of document.querySelectorAll("svg")) {
    if (svg.getAttribute("aria-hidden") !== "true" && !svg.getAttribute("aria-label")) wrong.push("a drawing has no name");
  }
  for (const element of document.querySelectorAll("[aria-describedby], [aria-labelledby]")) {
    for (const id of `${element.getAttribute("aria-describedby") || ""} ${element.getAttribute("aria-labelledby") || ""}`.trim().split(/\s+/)) {
      if (!document.getElementById(id)) wrong.push(`${told(element)} refers to ${id}, which is not there`);
    }
  }
  for (const cell of document.querySelectorAll("thead th")) if (cell.scope !== "col") wrong.push(`no scope: ${told(cell)}`);
  for (const element of document.querySelectorAll("[tabindex]")) if (element.tabIndex > 0) wrong.push(`tabindex above 0: ${told(element)}`);

  // --- contrast ---
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const parsed = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return { r, g, b, a: a / 255 };
  };
  const over = (top, below) => ({
    r: top.r * top.a + below.r * (1 - top.a),
    g: top.g * top.a + below.g * (1 - top.a),
    b: top.b * top.a + below.b * (1 - top.a),
    a: 1,
  });
  const ground = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) {
      const color = parsed(getComputedStyle(each).backgroundColor);
      if (color.a > 0) layers.push(color);
      if (color.a === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), { r: 255, g: 255, b: 255, a: 1 });
  };
  const light = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const seen = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !shown(element) || element.closest(".unseen, .skip, :disabled, .loading, script, noscript, option")) continue;
    const style = getComputedStyle(element);
    const below = ground(element);
    const text = over(parsed(style.color), below);
    const [high, low] = [light(text), light(below)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
    const key = `${style.color} on ${Object.values(below).map(Math.round)}`;
    if (ratio < (large ? 3 : 4.5) && !seen.has(key)) {
      seen.add(key);
      wrong.push(`contrast ${ratio.toFixed(2)}: ${key}, ${told(element)}`);
    }
  }
  return wrong;
}
