// The chat page: wires composer, turns, transcript, list and keys together.

import { copy } from "../page.js";
import { Composer, tooLong } from "./composer.js";
import { askAbout, noteSeen, wasSeen } from "./found.js";
import { startKeyboard } from "./keyboard.js";
import { startOversight } from "./oversight.js";
import { enhance } from "./prose.js";
import { Follower } from "./scrolling.js";
import { closeDrawer, focusSearch, isDrawerOpen, startSidebar } from "./sidebar.js";
import { last, renew } from "./transcript.js";
import { dismiss, report } from "./trouble.js";
import { Turn } from "./turn.js";

const { chat } = document.body.dataset;
const main = document.getElementById("main");
const transcript = document.getElementById("transcript");
const status = document.getElementById("status");
const follower = new Follower(
  document.getElementById("scroller"), document.getElementById("to-bottom"),
);
const composer = new Composer({
  conversation: main.dataset.conversation,
  onSend: (text) => ask(text),
  onStop: () => turn?.stop(),
});
let turn = null;

const address = (at) => `${chat}${main.dataset.conversation}/${at ? `?at=${at}` : ""}`;
const say = (text) => { status.textContent = text; };

// -- Turns -----------------------------------------------------------------------------------

function ask(text) {
  const parent = last()?.dataset.message;
  composer.take();
  begin({ prompt: text, request: { message: text, ...(parent && { parent_id: parent }) } });
}

function retry(answer) {
  begin({ instead: answer, request: { retry_of: answer.dataset.message } });
}

function branch(prompt, text) {
  begin({
    prompt: text, instead: prompt,
    request: { message: text, parent_id: prompt.dataset.parent || null },
  });
}

function begin({ request, prompt = "", instead = null }) {
  if (turn || composer.reason()) return;
  dismiss();
  document.getElementById("welcome")?.setAttribute("hidden", "");
  const conversation = main.dataset.conversation;
  turn = new Turn({
    request: {
      ...request,
      ...(conversation && { conversation_id: conversation }),
      ...(wasSeen(conversation) && { earlier_confirmed: true }),
      ...composer.route,
    },
    route: composer.label, prompt, instead,
    view: { started, drawn: () => follower.follow(), ended, failed },
  });
  composer.setBusy(true);
  say(status.dataset.generating);
  turn.run();
  // The button that was pressed has gone with the version it belonged to: keys go on from here.
  if (instead && document.activeElement === document.body) {
    document.getElementById("scroller").focus({ preventScroll: true });
  }
  follower.jump();
}

function started({ conversation_id, screening }) {
  if (screening?.action === "confirmed") noteSeen(conversation_id);
  if (main.dataset.conversation) return;
  main.dataset.conversation = conversation_id;
  composer.rename(conversation_id);
  history.replaceState(null, "", address());
}

async function ended({ state }, { answer, started: start }) {
  finish();
  const said = state === "stopped" ? status.dataset.stopped : status.dataset.complete;
  say(said.replace("%s", answer.words));
  if (!start) {
    welcome();
    return;
  }
  await settle(start.message_id);
}

function failed(error, { prompt, instead, started: start, request }) {
  finish();
  say("");
  if (start) {
    settle(start.message_id).then(() => {
      report(error, () => retry(last()));
      follower.jump();
    });
    return;
  }
  welcome();
  if (error.code === "screening_confirm") {
    confirm(error.details, { prompt, instead, request });
    return;
  }
  if (instead) {
    report(error, () => begin({ request, prompt, instead: again(instead) }));
    follower.jump();
    return;
  }
  composer.give(prompt);
  composer.focus();
  report(error, () => document.getElementById("composer").requestSubmit());
  follower.jump();
}

/** Something was found, and nothing was sent: as it is, masked, or changed first. */
async function confirm(details, { prompt, instead, request }) {
  if (!instead) composer.give(prompt);  // so that it is kept whatever happens
  const choice = await askAbout(prompt, details);
  if (choice === "edit") {
    if (!instead) composer.focus();
    else if (prompt) edit(again(instead), prompt);
    return;
  }
  if (!instead) composer.take();
  begin({ request: { ...request, [choice]: true }, prompt, instead: instead && again(instead) });
}

const again = (element) => document.getElementById(element.id) ?? element;

/** Where nothing has been said yet, what one could ask. */
function welcome() {
  if (!last()) document.getElementById("welcome")?.removeAttribute("hidden");
}

function finish() {
  turn = null;
  composer.setBusy(false);
}

/** Take over the server's rendering of the turn, once its ending is recorded. */
async function settle(messageId) {
  for (let wait = 100; wait < 4000; wait *= 2) {
    if (turn) return;
    await renew(address(messageId));
    follower.follow();
    if (document.getElementById(`m-${messageId}`)?.dataset.state !== "started") break;
    await new Promise((resolve) => { setTimeout(resolve, wait); });
  }
  if (new URLSearchParams(location.search).has("at")) {
    history.replaceState(null, "", address(messageId));
  }
}

/** An answer that another tab or an earlier load began: look until it has ended. */
async function watchRunning() {
  while (!turn && transcript.querySelector('[data-state="started"]')) {
    await new Promise((resolve) => { setTimeout(resolve, 1500); });
    if (!turn) await renew(location.href);
    follower.follow();
  }
}

// -- What one can do with a message ------------------------------------------------------------

function text(message) {
  const source = message.querySelector("template[data-source]")?.content.textContent;
  return source ?? message.querySelector("[data-text]").textContent;
}

const actions = {
  copy(message, button) {
    const mark = message.querySelector("template[data-mark]").content.textContent.trim();
    copy(`${text(message)}\n\n${mark}\n`, button);
  },
  "copy-prompt": (message, button) => copy(text(message), button),
  "copy-code": (message, button) => {
    copy(button.closest(".code").querySelector("pre").textContent, button);
  },
  retry: (message) => retry(message),
  edit: (message) => edit(message),
};

function edit(message, text = null) {
  const said = message.querySelector("[data-text]");
  const footer = message.querySelector("footer");
  const form = document.getElementById("edit-template").content.firstElementChild.cloneNode(true);
  const area = form.querySelector("textarea");
  area.id = `edit-${message.id}`;
  form.querySelector("label").htmlFor = area.id;
  area.value = text ?? said.textContent;
  said.hidden = footer.hidden = true;
  message.append(form);
  area.focus();
  const leave = () => {
    form.remove();
    said.hidden = footer.hidden = false;
    message.querySelector("[data-action=edit]").focus();
  };
  form.querySelector("[data-action=cancel-edit]").addEventListener("click", leave);
  area.addEventListener("input", () => area.setCustomValidity(tooLong(area.value.trim())));
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      leave();
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const changed = area.value.trim();
    if (!changed || turn) return;
    leave();
    branch(message, changed);
  });
}

transcript.addEventListener("click", async (event) => {
  const message = event.target.closest(".message");
  const button = event.target.closest("[data-action]");
  if (button) actions[button.dataset.action]?.(message, button);
  const version = event.target.closest("[data-version]");
  if (!version || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  if (turn) return;
  await renew(address(version.dataset.version));
  history.replaceState(null, "", address(version.dataset.version));
});

document.getElementById("welcome")?.addEventListener("click", (event) => {
  const suggestion = event.target.closest("[data-suggestion]");
  if (!suggestion) return;
  composer.give(suggestion.dataset.suggestion);
  composer.focus();
});

// -- Keys --------------------------------------------------------------------------------------

startKeyboard({
  search: focusSearch,
  create: () => location.assign(chat),
  write: () => { closeDrawer(); composer.focus(); },
  help: () => document.getElementById("help").showModal(),
  leave: () => {
    if (turn) turn.stop();
    else if (isDrawerOpen()) closeDrawer();
    else if (document.activeElement?.id === "search") composer.focus();
  },
});

startSidebar();
enhance(transcript);
if (last()) follower.jump();
startOversight({ say, drawn: () => follower.follow() });
watchRunning();
