// Where the reviews of a conversation's answers stand, and what came of them: beside the answer,
// which is never changed. What people wrote is inserted as text.

import { call } from "./api.js";
import { swapIcon } from "./composer.js";

const main = document.getElementById("main");
const transcript = document.getElementById("transcript");
const OPEN = ["waiting", "taken"];
const REPORTED = "lexcustis.reported.";
const ICONS = { accepted: "check", modified: "edit", rejected: "close" };
const { lang } = document.documentElement;
// English as it is written in Europe: plain "en" would be the day of the United States.
const time = new Intl.DateTimeFormat(lang === "en" ? "en-GB" : lang, {
  dateStyle: "medium", timeStyle: "short",
});

let reviews = []; // as the API has them, newest first
let asked = 0;
const texts = new Map(); // of reviews that are decided, by their ids
const drawn = new WeakMap(); // what an answer shows, so that nothing is drawn twice

/**
 * Ask how the reviews stand, and draw it; whether there was something to draw. Where that fails,
 * what is there stays.
 */
export async function refresh() {
  const conversation = main.dataset.conversation;
  // Whoever waits for an answer to end asks again when it has.
  if (conversation && !transcript.querySelector('[data-state="started"]')) {
    const number = (asked += 1);
    try {
      const found = await fetched(conversation);
      if (number === asked) reviews = found;
      delete transcript.dataset.noReviews;
    } catch (error) {
      if (error.status === 403) transcript.dataset.noReviews = "true";
    }
  }
  return draw();
}

/** A review that was just asked for. */
export function add(review) {
  asked += 1; // an answer that is still on its way does not know of it
  reviews.unshift(review);
  draw();
}

/** Keep under which record *message* was reported, for as long as this tab is open. */
export function noteReported(message, record) {
  sessionStorage.setItem(REPORTED + message.dataset.message, record);
  draw();
}

export const isOpen = (message) =>
  reviewsOf(message).some((review) => OPEN.includes(review.state));

export const hasOpen = () => reviews.some((review) => OPEN.includes(review.state));

/** The words of where *message* stands, for those who hear the page. */
export const standing = (message) =>
  [...message.querySelectorAll("[data-review] [data-words]")].at(-1)?.textContent ?? "";

async function fetched(conversation) {
  const response = await call(`/reviews?conversation_id=${conversation}`);
  const { items } = await response.json();
  const unread = items.filter(({ id, state }) => !OPEN.includes(state) && !texts.has(id));
  await Promise.all(unread.map(async ({ id }) => {
    texts.set(id, (await (await call(`/reviews/${id}`)).json()).texts);
  }));
  return items;
}

/** Until the server has drawn an answer, the page knows it by the record of its question. */
function reviewsOf(message) {
  const record = message.dataset.aiRecord;
  const own = ({ answer_id, inference_id }) => record && [answer_id, inference_id].includes(record);
  return reviews.filter(own).reverse();
}

function draw() {
  let isNew = false;
  for (const message of transcript.querySelectorAll(".answer")) {
    const own = reviewsOf(message);
    const record = sessionStorage.getItem(REPORTED + message.dataset.message);
    const shows = JSON.stringify([own, record]);
    if (drawn.get(message) === shows) continue;
    drawn.set(message, shows);
    for (const old of message.querySelectorAll("[data-review], [data-reported]")) old.remove();
    if (record) message.append(reported(record));
    message.append(...own.map((review) =>
      OPEN.includes(review.state) ? waiting(review) : outcome(review, texts.get(review.id))));
    const button = message.querySelector("[data-action=review]");
    if (isOpen(message)) button?.setAttribute("aria-disabled", "true");
    else button?.removeAttribute("aria-disabled");
    isNew ||= own.length > 0 || record !== null;
  }
  return isNew;
}

function waiting(review) {
  const element = begun("standing-template", review);
  const { reviewer_name: name, taken_at: taken, requested_at: requested } = review;
  part(element, "by").textContent = name ? `${name}, ${on(taken)}` : on(requested);
  return element;
}

function outcome(review, said) {
  const element = begun("outcome-template", review);
  element.setAttribute("aria-label", part(element, "words").textContent);
  swapIcon(element, ICONS[review.state]);
  part(element, "by").textContent = `${review.reviewer_name}, ${on(review.decided_at)}`;
  fill(part(element, "reason"), review.reason_in_words);
  fill(part(element, "comment"), said?.comment);
  const corrected = part(element, "correction");
  const isModified = review.state === "modified";
  fill(corrected, isModified ? said?.correction ?? corrected.dataset.erased : "");
  part(element, "instead").hidden = !isModified;
  return element;
}

function reported(record) {
  const element = fromTemplate("reported-template");
  part(element, "record").textContent = `…${record.slice(-12)}`;
  part(element, "record").title = record;
  return element;
}

function begun(template, { state }) {
  const element = fromTemplate(template);
  element.dataset.state = state;
  const words = part(element, "words");
  words.textContent = words.dataset[state];
  return element;
}

function fill(element, text) {
  element.textContent = text ?? "";
  element.hidden = !text;
}

const part = (element, name) => element.querySelector(`[data-${name}]`);
const on = (moment) => time.format(new Date(moment));
const fromTemplate = (id) =>
  document.getElementById(id).content.firstElementChild.cloneNode(true);
