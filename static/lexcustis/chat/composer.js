// Where people write: the draft, the route with its region, and whether sending is possible.

const form = document.getElementById("composer");
const question = document.getElementById("question");
const route = document.getElementById("route");
const region = document.getElementById("route-region");
const system = document.getElementById("system");
const send = document.getElementById("send");
const stop = document.getElementById("stop");
const refusal = document.getElementById("refusal");
const ROUTE = "lexcustis.route";
const words = JSON.parse(document.getElementById("words").textContent);
const most = Number(question.dataset.most);

/**
 * What is said of *text* where it is longer than one message may be, else nothing. A field that
 * takes no more would cut a pasted text without a word.
 */
export function tooLong(text) {
  if (text.length <= most) return "";
  let length = 0;
  for (const _sign of text) length += 1;  // as the server counts them
  const grouped = (number) => number.toLocaleString("en-GB");
  return length <= most ? "" : words.too_long
    .replace("%most%", grouped(most)).replace("%length%", grouped(length));
}

export class Composer {
  constructor({ onSend, onStop, conversation }) {
    this.key = `lexcustis.draft.${conversation || "new"}`;
    this.busy = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = question.value.trim();
      if (text && !this.busy && !this.reason() && !tooLong(text)) onSend(text);
    });
    stop.addEventListener("click", onStop);
    question.addEventListener("keydown", (event) => {
      // While an input method composes a character, Enter belongs to it.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
    question.addEventListener("input", () => this.changed());
    route?.addEventListener("change", () => {
      sessionStorage.setItem(ROUTE, route.value);
      this.showRoute();
    });
    this.restore();
  }

  /** The draft lives in this tab's session only. */
  restore() {
    const draft = sessionStorage.getItem(this.key);
    if (draft && !question.value) question.value = draft;
    const remembered = sessionStorage.getItem(ROUTE);
    if (route && [...route.options].some((option) => option.value === remembered)) {
      route.value = remembered;
    }
    this.showRoute();
    this.changed();
  }

  rename(conversation) {
    sessionStorage.removeItem(this.key);
    this.key = `lexcustis.draft.${conversation}`;
    if (system) system.hidden = true;  // a conversation keeps its AI system
    this.changed();
  }

  changed() {
    if (question.value) sessionStorage.setItem(this.key, question.value);
    else sessionStorage.removeItem(this.key);
    if (!CSS.supports("field-sizing", "content")) {
      question.rows = Math.min(10, question.value.split("\n").length);
    }
    this.showState();
  }

  /** What is sent along: {provider_id, model, system_id}, or nothing where the default decides. */
  get route() {
    const chosen = system && !system.hidden ? { system_id: system.value } : {};
    if (!route) return chosen;
    const [provider, model] = route.value.split("|");
    return { ...chosen, ...(provider && { provider_id: provider }), model };
  }

  get label() {
    const option = route?.selectedOptions[0];
    return option?.dataset ?? {};
  }

  reason() {
    return form.dataset.refusal || this.label.reason || "";
  }

  showRoute() {
    const { regionName, regionIcon, region: code, reason } = this.label;
    if (!code) return;
    const badge = region.querySelector(".region");
    badge.dataset.region = code;
    badge.classList.toggle("refused", Boolean(reason));
    badge.querySelector("[data-region-name]").textContent = regionName;
    swapIcon(badge, regionIcon);
    this.showState();
  }

  showState() {
    send.hidden = this.busy;
    stop.hidden = !this.busy;
    const excess = tooLong(question.value.trim());
    const said = this.reason() || excess;
    if (refusal.textContent !== said) refusal.textContent = said;
    send.disabled = Boolean(said) || !question.value.trim();
  }

  setBusy(busy) {
    this.busy = busy;
    this.showState();
  }

  take() {
    question.value = "";
    this.changed();
  }

  /** Put *text* back where it was written, unless something new stands there. */
  give(text) {
    if (!question.value.trim()) question.value = text;
    this.changed();
  }

  focus() {
    question.focus();
    question.setSelectionRange(question.value.length, question.value.length);
  }
}

/** Show another icon of the sprite in the first icon of *root*. */
export function swapIcon(root, name) {
  const use = root.querySelector("use");
  use.setAttribute("href", `${use.getAttribute("href").split("#")[0]}#${name}`);
}
