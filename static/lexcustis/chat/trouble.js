// Says what went wrong and what to do, in a note that speaks up and offers the way on.

const words = JSON.parse(document.getElementById("words").textContent);
const transcript = document.getElementById("transcript");

/** Show *error* at the end of the conversation. *again* is called by "Try again", if given. */
export function report(error, again = null) {
  dismiss();
  const note = document
    .getElementById("error-template").content.firstElementChild.cloneNode(true);
  const [what, todo] = explain(error);
  note.querySelector("[data-what]").textContent = what;
  note.querySelector("[data-todo]").textContent = todo;
  const retry = note.querySelector("[data-action=again]");
  retry.hidden = !again;
  retry.addEventListener("click", () => {
    note.remove();
    again();
  });
  note.querySelector("[data-action=dismiss]").addEventListener("click", () => note.remove());
  note.querySelector("[data-sign-in]").hidden = error.status !== 401;
  transcript.after(note);
  note.scrollIntoView({ block: "nearest" });
  if (error.retryAfter && again) countDown(retry, error.retryAfter);
  return note;
}

export function dismiss() {
  for (const note of document.querySelectorAll(".trouble")) note.remove();
}

/** What happened, and what to do about it. */
export function explain(error) {
  if (error.status === 401) return [words.session_ended, words.sign_in_again];
  if (error.status === 403 && error.code.startsWith("http_")) {
    return [words.page_old, words.reload];
  }
  const [what, todo] = words.errors[error.code] ?? [];
  return [error.message || what || words.unknown, todo ?? words.text_kept];
}

/** Let *button* be pressed only after *seconds*, and say how long that is. */
function countDown(button, seconds) {
  const label = button.textContent;
  const until = Date.now() + seconds * 1000;
  button.disabled = true;
  const tick = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    if (left <= 0 || !button.isConnected) {
      button.disabled = false;
      button.textContent = label;
      return;
    }
    button.textContent = `${label} (${left} s)`;
    setTimeout(tick, 1000);
  };
  tick();
}
