// What screening found in a text before it was sent: shown in place, and what becomes of it.

const words = JSON.parse(document.getElementById("words").textContent);
const dialog = document.getElementById("found");
const SEEN = "lexcustis.seen.";

/**
 * Show *text* with what was found in it; a promise of what the person wants: "confirmed", "masked",
 * or "edit", which is also what Escape means.
 */
export function askAbout(text, { found = {}, found_earlier: earlier = {}, places = [], maskable }) {
  const part = (name) => dialog.querySelector(`[data-${name}]`);
  part("kinds").replaceChildren(...inWords(found).map(item));
  part("kinds").hidden = !Object.keys(found).length;
  part("text").replaceChildren(...marked(text, places));
  part("text").hidden = !text || !places.length;
  part("earlier").hidden = !Object.keys(earlier).length;
  part("earlier-kinds").textContent = inWords(earlier).join(", ");
  return new Promise((resolve) => {
    let wanted = "edit";  // also where the browser closes the dialog, in whatever way it does
    const choose = (event) => {
      const { choice } = event.target.closest("[data-choice]")?.dataset ?? {};
      if (!choice) return;
      wanted = choice;
      dialog.close();
    };
    dialog.addEventListener("click", choose);
    dialog.addEventListener("close", () => {
      dialog.removeEventListener("click", choose);
      resolve(wanted);
    }, { once: true });
    dialog.showModal();
    const replace = dialog.querySelector("[data-choice=masked]");
    replace.hidden = !maskable;
    (maskable ? replace : dialog.querySelector("[data-choice=edit]")).focus();
  });
}

/** In a conversation of which somebody has seen the findings, only new ones are asked for. */
export function noteSeen(conversation) {
  sessionStorage.setItem(SEEN + conversation, "yes");
}

export function wasSeen(conversation) {
  return sessionStorage.getItem(SEEN + conversation) === "yes";
}

/** The person's message as it was sent, where that is not what was written. */
export function showSent(message, screening) {
  if (screening?.action !== "masked" || !screening.text) return;
  message.querySelector("[data-text]").textContent = screening.text;
  message.querySelector("[data-replaced]").hidden = false;
}

function inWords(counts) {
  return Object.entries(counts).map(([kind, count]) => {
    const name = words.findings[kind] ?? kind;
    return count > 1 ? `${name} (${count})` : name;
  });
}

function item(text) {
  const element = document.createElement("li");
  element.textContent = text;
  return element;
}

/** Text and marks; places count characters as Unicode does, not as JavaScript does. */
function marked(text, places) {
  const signs = Array.from(text);
  const made = [];
  let at = 0;
  for (const { kind, start, end } of places) {
    if (start < at) continue;
    const mark = document.createElement("mark");
    mark.textContent = signs.slice(start, end).join("");
    mark.title = words.findings[kind] ?? kind;
    made.push(signs.slice(at, start).join(""), mark);
    at = end;
  }
  return [...made, signs.slice(at).join("")];
}
