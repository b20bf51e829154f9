// Shows an answer while it is written: paragraphs, headings, lists and code, as text nodes only.
// The server's own rendering takes its place at the end, so this need not know all of Markdown.

const FENCE = /^ {0,3}(```+|~~~+)\s*([\w+#.-]*)/;

/** Grows inside *container*. Pieces are gathered and drawn once per frame. */
export class LiveText {
  constructor(container, drawn = () => {}) {
    this.container = container;
    this.drawn = drawn;
    this.text = "";
    this.pending = ""; // arrived, not yet read
    this.tail = ""; // the line that is still growing
    this.block = ""; // the whole lines of the block that is still growing
    this.element = null; // shows block and tail
    this.fence = null;
    this.frame = 0;
  }

  append(piece) {
    this.text += piece;
    this.pending += piece;
    // A hidden page gets no frames, and what arrives there is drawn when it is seen again.
    this.frame ||= requestAnimationFrame(() => this.flush());
  }

  /** Draw what is waiting. */
  flush() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const lines = (this.tail + this.pending).split("\n");
    this.pending = "";
    this.tail = lines.pop();
    for (const line of lines) this.line(line);
    this.draw(this.block + this.tail);
    this.drawn();
  }

  line(line) {
    const fence = FENCE.exec(line);
    if (this.fence) {
      if (fence?.[1].startsWith(this.fence) && !fence[2]) this.close();
      else this.block += `${line}\n`;
    } else if (line.trim() === "") {
      this.close();
    } else if (fence || /^#{1,6} /.test(line)) {
      if (this.block) this.close();
      this.block = `${line}\n`;
      if (fence) this.fence = fence[1];
      else this.close();
    } else {
      this.block += `${line}\n`;
    }
  }

  close() {
    this.draw(this.block);
    this.block = "";
    this.element = null;
    this.fence = null;
  }

  draw(block) {
    if (!block) {
      this.element?.remove();
      this.element = null;
      return;
    }
    const drawn = this.fence ? code(block) : prose(block);
    if (this.element) this.element.replaceWith(drawn);
    else this.container.append(drawn);
    this.element = drawn;
  }
}

function code(block) {
  const pre = document.createElement("pre");
  const inner = document.createElement("code");
  inner.textContent = block.slice(block.indexOf("\n") + 1);
  pre.append(inner);
  return pre;
}

function prose(block) {
  const text = block.replace(/\n$/, "");
  const heading = /^(#{1,6}) (.*)$/s.exec(text);
  if (heading) return filled(`h${heading[1].length}`, heading[2]);
  if (/^ {0,3}[-*+] /.test(text)) return list("ul", text, /^ {0,3}[-*+] /m);
  if (/^ {0,3}\d{1,3}[.)] /.test(text)) return list("ol", text, /^ {0,3}\d{1,3}[.)] /m);
  if (text.startsWith("|")) {
    const pre = document.createElement("pre");
    pre.textContent = text;
    return pre;
  }
  if (text.startsWith(">")) return quote(text);
  return filled("p", text);
}

function quote(text) {
  const element = document.createElement("blockquote");
  const inner = text.replace(/^ {0,3}> ?/gm, "");
  for (const part of inner.split(/\n{2,}/)) element.append(filled("p", part.trim()));
  return element;
}

function list(tag, text, marker) {
  const element = document.createElement(tag);
  for (const item of text.split(marker).slice(1)) element.append(filled("li", item.trimEnd()));
  return element;
}

function filled(tag, text) {
  const element = document.createElement(tag);
  for (const part of text.split(/(\*\*[^*\n]+\*\*|`[^`\n]+`|\*[^*\s][^*\n]*\*)/)) {
    if (part.startsWith("**") && part.length > 4) element.append(inline("strong", part.slice(2, -2)));
    else if (part.startsWith("`") && part.length > 2) element.append(inline("code", part.slice(1, -1)));
    else if (/^\*[^*].*\*$/.test(part)) element.append(inline("em", part.slice(1, -1)));
    else element.append(part);
  }
  return element;
}

function inline(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}
