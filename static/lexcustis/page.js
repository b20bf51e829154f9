// What every page needs: menus that close, buttons that copy, dialogs that open.

// What answers a form and is shown once: else a reload would send the form again and make another.
const leadsTo = document.querySelector("[data-reload-leads-to]")?.dataset.reloadLeadsTo;
if (leadsTo) history.replaceState(null, "", leadsTo);

const menus = () => document.querySelectorAll("details.menu[open]");

document.addEventListener("click", (event) => {
  for (const menu of menus()) {
    if (!menu.contains(event.target)) menu.open = false;
  }
  const opener = event.target.closest("[data-open-dialog]");
  if (opener) document.getElementById(opener.dataset.openDialog)?.showModal();
  const closer = event.target.closest("[data-close-dialog]");
  if (closer) closer.closest("dialog")?.close();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of menus()) {
    menu.open = false;
    menu.querySelector("summary").focus();
    event.stopPropagation();
  }
}, { capture: true });

/** Put *text* on the clipboard and say so on *button* for a moment. */
export async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyThroughSelection(text); // pages without TLS have no clipboard of their own
  }
  const label = button.querySelector("[data-label]");
  const before = label?.textContent;
  button.dataset.done = "true";
  if (label) label.textContent = button.dataset.doneLabel || "Copied";
  setTimeout(() => {
    delete button.dataset.done;
    if (label) label.textContent = before;
  }, 1800);
}

function copyThroughSelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "for-ears";
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy-from]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copyFrom);
  copy(source.value ?? source.textContent, button);
});
