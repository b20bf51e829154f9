// One turn: send, show what arrives, end in exactly one way. What was written is never lost.

import { call, Trouble } from "./api.js";
import { showSent } from "./found.js";
import { frames } from "./sse.js";
import { addPrompt, Answer, busy, cutFrom } from "./transcript.js";

/** A turn in progress. *view* is told what happens: started, drawn, ended, failed. */
export class Turn {
  constructor({ request, route, view, prompt = "", instead = null }) {
    Object.assign(this, { request, route, view, prompt, instead });
    this.controller = new AbortController();
    this.stopped = false;
    this.started = null;
  }

  stop() {
    this.stopped = true;
    this.controller.abort();
  }

  async run() {
    this.putBack = this.instead ? cutFrom(this.instead) : null;
    this.question = this.prompt ? addPrompt(this.prompt) : null;
    this.answer = new Answer({ drawn: () => this.view.drawn() });
    this.answer.describe(this.route);
    busy(true);
    try {
      await this.read();
    } catch (error) {
      this.broken(error);
    } finally {
      busy(false);
    }
  }

  async read() {
    const response = await call("/chat", {
      method: "POST",
      body: { ...this.request, stream: true },
      signal: this.controller.signal,
    });
    let trouble = null;
    let end = null;
    for await (const { event, data } of frames(response)) {
      if (event === "start") this.begin(data);
      else if (event === "text") this.answer.append(data.text);
      else if (event === "error") trouble = data.error;
      else if (event === "end") end = data;
    }
    if (!end) throw new Trouble({ status: 0, code: "connection_lost", message: "" });
    this.finish(end, trouble);
  }

  begin(data) {
    this.started = data;
    if (this.question) {
      this.question.id = `m-${data.user_message_id}`;
      this.question.dataset.message = data.user_message_id;
      showSent(this.question, data.screening);
    }
    this.answer.begin(data);
    this.view.started(data);
  }

  finish(end, trouble) {
    this.answer.end(end);
    if (trouble) this.view.failed(new Trouble({ status: 200, ...trouble }), this);
    else this.view.ended(end, this);
  }

  broken(error) {
    if (this.stopped && this.started) {
      this.answer.end({ state: "stopped", html: "" });
      this.view.ended({ state: "stopped" }, this);
      return;
    }
    if (this.started) {
      this.answer.end({ state: "interrupted", html: "" });
    } else {
      this.answer.element.remove();
      this.question?.remove();
      this.putBack?.();
    }
    if (this.stopped) this.view.ended({ state: "stopped" }, this);
    else this.view.failed(error, this);
  }
}
