// The messages on the page. The server renders them; here they are begun, grown and renewed.

import { page } from "./api.js";
import { LiveText } from "./live.js";
import { enhance } from "./prose.js";
import { swapIcon } from "./composer.js";

const transcript = document.getElementById("transcript");
const fromTemplate = (id) =>
  document.getElementById(id).content.firstElementChild.cloneNode(true);

export const last = () => transcript.lastElementChild;

export function addPrompt(text) {
  const element = fromTemplate("prompt-template");
  element.querySelector("[data-text]").textContent = text;
  transcript.append(element);
  return element;
}

/** Everything from *message* on gives way to another version; returns what undoes that. */
export function cutFrom(message) {
  const all = [...transcript.children];
  const removed = all.slice(all.indexOf(message));
  for (const element of removed) element.remove();
  return () => transcript.append(...removed);
}

export function busy(is) {
  transcript.setAttribute("aria-busy", String(is));
}

/** An answer that is being written. */
export class Answer {
  constructor({ drawn }) {
    this.element = fromTemplate("answer-template");
    this.content = this.element.querySelector("[data-content]");
    this.waiting = this.element.querySelector("[data-waiting]");
    this.live = new LiveText(this.content, drawn);
    this.element.dataset.state = "started";
    transcript.append(this.element);
  }

  describe({ provider, model, region, regionName, regionIcon }) {
    if (provider) this.element.querySelector("[data-provider]").textContent = provider;
    if (model) this.element.querySelector("[data-model]").textContent = model;
    const badge = this.element.querySelector(".region");
    if (region) badge.dataset.region = region;
    if (regionName) badge.querySelector("[data-region-name]").textContent = regionName;
    if (regionIcon) swapIcon(badge, regionIcon);
  }

  begin({ message_id, record_id, provider, model }) {
    this.element.id = `m-${message_id}`;
    this.element.dataset.message = message_id;
    this.element.dataset.aiRecord = record_id ?? "";
    this.describe({ provider, model });
  }

  append(text) {
    this.waiting.hidden = true;
    this.live.append(text);
  }

  /** The server's rendering takes the place of ours. */
  end({ state, html }) {
    this.live.flush();
    this.waiting.hidden = true;
    this.element.dataset.state = state;
    // Sanitised by llm/markdown.py; the Content-Security-Policy is the second wall.
    if (html) this.content.innerHTML = html;
    enhance(this.element);
  }

  get words() {
    return this.live.text.split(/\s+/).filter(Boolean).length;
  }
}

/**
 * Fetch the page of *address* and take over its messages and title: the server renders
 * versions, figures and receipts, so that they exist once.
 */
export async function renew(address) {
  const renewed = await page(address);
  if (!renewed) return null;
  const focused = focusedAction();
  const messages = renewed.getElementById("transcript");
  transcript.replaceChildren(...messages.children);
  document.getElementById("title-bar").replaceWith(renewed.getElementById("title-bar"));
  // What somebody searches for stays on the screen.
  if (!document.getElementById("search").value) {
    document.getElementById("conversations").replaceWith(renewed.getElementById("conversations"));
  }
  document.title = renewed.title;
  enhance(transcript);
  focused?.();
  transcript.dispatchEvent(new Event("renewed"));
  return transcript;
}

/** What puts the focus back onto the same button of the same message after a renewal. */
function focusedAction() {
  const control = document.activeElement?.closest("#transcript [data-action], #transcript [data-version]");
  if (!control) return null;
  const place = [...transcript.children].indexOf(control.closest(".message"));
  const { action } = control.dataset;
  return () => {
    const message = transcript.children[place];
    const same = action && message?.querySelector(`[data-action="${action}"]`);
    (same || message?.querySelector("[data-version]"))?.focus({ preventScroll: true });
  };
}
