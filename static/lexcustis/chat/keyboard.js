// The keys of the chat page, as listed in its help.

/** Call the *actions* by their keys: stop, write, search, create, help, leave. */
export function startKeyboard(actions) {
  document.addEventListener("keydown", (event) => {
    const command = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (command && !event.shiftKey && key === "k") return run(event, actions.search);
    if (command && event.shiftKey && key === "o") return run(event, actions.create);
    if (document.querySelector("dialog[open]")) return undefined;
    if (event.key === "Escape" && !event.isComposing) return void actions.leave();
    if (command || event.altKey || writing(event.target)) return undefined;
    if (event.key === "/") return run(event, actions.write);
    if (event.key === "?") return run(event, actions.help);
    return undefined;
  });
}

function run(event, action) {
  event.preventDefault();
  action();
}

function writing(element) {
  return element.closest("input, textarea, select, [contenteditable]") !== null;
}
