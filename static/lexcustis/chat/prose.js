// Adds to rendered answers what needs a hand: copy buttons, frames that scroll, hosts of links.

const copyButton = () =>
  document.getElementById("copy-code-template").content.firstElementChild.cloneNode(true);

/** Make the code, tables and links inside *root* usable. Safe to call twice. */
export function enhance(root) {
  for (const pre of root.querySelectorAll(".prose pre:not(.code pre)")) frameCode(pre);
  for (const table of root.querySelectorAll(".prose table:not(.wide table)")) frameTable(table);
  for (const link of root.querySelectorAll(".prose a[href]:not([target])")) showHost(link);
}

function frameCode(pre) {
  const frame = document.createElement("div");
  frame.className = "code";
  const head = document.createElement("div");
  head.className = "head";
  const language = document.createElement("span");
  const named = /language-(\S+)/.exec(pre.querySelector("code")?.className ?? "");
  language.textContent = named ? named[1] : "";
  head.append(language, copyButton());
  pre.tabIndex = 0; // long lines scroll: the keyboard must reach them
  pre.replaceWith(frame);
  frame.append(head, pre);
}

function frameTable(table) {
  const frame = document.createElement("div");
  frame.className = "wide";
  frame.tabIndex = 0;
  table.replaceWith(frame);
  frame.append(table);
}

function showHost(link) {
  link.target = "_blank";
  const url = new URL(link.href);
  if (url.protocol !== "https:" || link.textContent.includes(url.host)) return;
  const host = document.createElement("span");
  host.className = "host";
  host.textContent = ` (${url.host})`;
  link.append(host);
}
