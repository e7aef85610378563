// Texts that stand on another one, or beside their own cell. Gives them, in words.
() => {
  const found = [];
  for (const parent of document.querySelectorAll("tr, .meta, .head, .toolbar, summary, .facts, .people li, .tile")) {
    const lines = [];
    const walker = document.createTreeWalker(parent, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (!node.textContent.trim() || !node.parentElement.checkVisibility() || node.parentElement.closest(".unseen, .clip, option")) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      const cell = node.parentElement.closest("td, th");
      // A space at the end of a line hangs over, and nobody sees it.
      for (const box of range.getClientRects()) {
        lines.push({ node, box });
        if (cell && box.right > cell.getBoundingClientRect().right + 12) found.push(`beside its cell: ${node.textContent}`);
      }
    }
    for (const [place, one] of lines.entries()) {
      for (const other of lines.slice(place + 1)) {
        const wide = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
        const high = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
        if (wide > 2 && high > 6 && one.node !== other.node) found.push(`${one.node.textContent} | ${other.node.textContent}`);
      }
    }
  }
  return found;
}
