// The list of conversations: search while typing, rename, archive with undo, the drawer.

import { call, page } from "./api.js";
import { report } from "./trouble.js";

const sidebar = document.getElementById("sidebar");
const search = document.getElementById("search");
const toggle = document.getElementById("drawer-toggle");
const veil = document.getElementById("veil");
const main = document.getElementById("main");
const dialog = document.getElementById("rename");
const undo = document.getElementById("undo");
const { chat } = document.body.dataset;
const NARROW = matchMedia("(width < 52rem)");
let latest = 0;

const listAt = async (address) => (await page(address))?.getElementById("conversations");

async function look() {
  const number = ++latest;
  const list = await listAt(`${chat}?search=${encodeURIComponent(search.value.trim())}`);
  if (!list || number !== latest) return; // a newer search has overtaken this one
  markCurrent(list);
  document.getElementById("conversations").replaceWith(list);
}

function markCurrent(list) {
  const row = list.querySelector(`[data-conversation="${CSS.escape(main.dataset.conversation)}"] a`);
  row?.setAttribute("aria-current", "page");
}

async function older(link) {
  const more = await listAt(link.getAttribute("href"));
  if (!more) return;
  markCurrent(more);
  link.replaceWith(...more.children);
}

function startRename(row) {
  const form = dialog.querySelector("form");
  form.title.value = row.querySelector("a").textContent;
  form.onsubmit = async (event) => {
    event.preventDefault();
    const title = form.title.value.trim();
    if (!title) return;
    dialog.close();
    try {
      await call(`/conversations/${row.dataset.conversation}`, { method: "PATCH", body: { title } });
      row.querySelector("a").textContent = title;
      if (row.querySelector("[aria-current]")) {
        document.querySelector("#title-bar h1").textContent = title;
      }
    } catch (error) {
      report(error);
    }
  };
  dialog.showModal();
  form.title.select();
}

async function archive(row, archived) {
  try {
    await call(`/conversations/${row.dataset.conversation}`, { method: "PATCH", body: { archived } });
  } catch (error) {
    report(error);
    return;
  }
  row.hidden = archived;
  undo.hidden = !archived;
  if (!archived) return;
  const button = undo.querySelector("button");
  button.onclick = () => archive(row, false).then(() => row.querySelector("a").focus());
  button.focus();
}

/** What lies behind the open drawer cannot be reached; the page's landmark and heading stay. */
function setBehind(inert) {
  const parts = main.querySelectorAll(":scope > :not(#title-bar), #title-bar > :not(h1)");
  for (const part of parts) part.inert = inert;
}

export function openDrawer() {
  if (!NARROW.matches) return;
  sidebar.dataset.open = "";
  veil.hidden = false;
  setBehind(true);
  toggle.setAttribute("aria-expanded", "true");
}

export function closeDrawer() {
  delete sidebar.dataset.open;
  veil.hidden = true;
  setBehind(false);
  toggle.setAttribute("aria-expanded", "false");
}

export const isDrawerOpen = () => "open" in sidebar.dataset;

export function focusSearch() {
  openDrawer();
  search.focus();
  search.select();
}

export function startSidebar() {
  let waiting;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(look, 200);
  });
  search.form.addEventListener("submit", (event) => {
    event.preventDefault();
    look();
  });
  sidebar.addEventListener("click", (event) => {
    const row = event.target.closest("[data-conversation]");
    const action = event.target.closest("[data-action]")?.dataset.action;
    if (action === "rename") startRename(row);
    if (action === "archive") archive(row, true);
    const link = event.target.closest("[data-older]");
    if (link) {
      event.preventDefault();
      older(link);
    }
  });
  toggle.addEventListener("click", () => {
    if (isDrawerOpen()) closeDrawer();
    else openDrawer();
  });
  veil.addEventListener("click", closeDrawer);
  NARROW.addEventListener("change", closeDrawer);
}
