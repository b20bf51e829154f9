// Two things one can do about an answer: ask that a person looks at it, or report a problem.

import { call } from "./api.js";
import { add, hasOpen, isOpen, noteReported, refresh, standing } from "./reviews.js";
import { explain } from "./trouble.js";

const transcript = document.getElementById("transcript");
const review = document.getElementById("ask-review");
const problem = document.getElementById("report-problem");
const concern = document.getElementById("concern");
const happened = document.getElementById("happened");
const severity = document.getElementById("severity");

/** Offer both, and show how reviews stand. *say* tells those who hear the page. */
export async function startOversight({ say, drawn }) {
  const opened = {
    review: dialog(review, {
      send: (message) => post("/reviews", {
        message_id: message.dataset.message, concern: written(concern),
      }),
      sent: (message, made) => {
        add(made);
        say(standing(message));
        drawn();
      },
    }),
    problem: dialog(problem, {
      send: (message) => post("/incidents", {
        message_id: message.dataset.message,
        description: written(happened),
        severity: severity.value,
      }),
      sent: (message, made) => {
        noteReported(message, made.id);
        say(message.querySelector("[data-reported]").textContent.trim());
        drawn();
      },
    }),
  };
  happened.addEventListener("input", () => {
    const isShort = written(happened).length < 10;
    happened.setCustomValidity(isShort ? happened.dataset.tooShort : "");
  });
  transcript.addEventListener("click", (event) => {
    const button = event.target.closest("[data-action]");
    const open = opened[button?.dataset.action];
    if (!open) return;
    const message = button.closest(".message");
    if (open === opened.review && isOpen(message)) say(standing(message));
    else open(message);
  });
  const look = async () => {
    if (await refresh()) drawn();
  };
  transcript.addEventListener("renewed", look);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && hasOpen()) look();
  });
  await look();
}

/** What opens *element* for a message. What was written stays there until it was sent. */
function dialog(element, { send, sent }) {
  const form = element.querySelector("form");
  const refusal = element.querySelector("[data-refusal]");
  let about = null;
  let sending = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (sending) return;
    sending = true;
    refusal.textContent = "";
    const message = about;
    try {
      const made = await send(message);
      if (about === message) { // else it was opened for another answer meanwhile
        form.reset();
        element.close();
      }
      sent(current(message), made);
    } catch (error) {
      refusal.textContent = said(error);
    }
    sending = false;
  });
  element.addEventListener("close", () => {
    // The browser gives the focus back, but not to a button that was drawn anew meanwhile.
    const { action } = element.dataset;
    current(about).querySelector(`[data-action="${action}"]`)?.focus({ preventScroll: true });
  });
  return (message) => {
    if (about?.id !== message.id) form.reset();
    about = message;
    refusal.textContent = "";
    element.showModal();
    form.querySelector("textarea").focus();
  };
}

/** The text of a field, without what only printers read: form feeds come with text out of PDFs. */
const written = (area) =>
  area.value.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g, " ").trim();

const current = (message) => document.getElementById(message.id) ?? message;

async function post(path, body) {
  return (await call(path, { method: "POST", body })).json();
}

/** Why it was not taken, in words. */
function said(error) {
  if (error.status === 422 && error.details?.length) {
    return error.details.map((detail) => detail.problem).join(" ");
  }
  if (error.message && error.status !== 401) return error.message;
  const [what, todo] = explain(error);
  return error.status === 403 ? what : `${what} ${todo}`;
}
