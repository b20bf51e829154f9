// Server-sent events from a fetch: EventSource can neither POST nor carry a header.

/**
 * Yield {event, data} for each frame of *response*; data is the parsed JSON. Comments are skipped.
 * A connection that breaks ends the frames, as one that is closed too early does.
 */
export async function* frames(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      buffer += value;
      let end;
      while ((end = buffer.indexOf("\n\n")) >= 0) {
        const frame = parse(buffer.slice(0, end));
        buffer = buffer.slice(end + 2);
        if (frame) yield frame;
      }
    }
  } catch (error) {
    if (error.name !== "TypeError") throw error;
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parse(text) {
  let event = "message";
  const data = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
  }
  return data.length ? { event, data: JSON.parse(data.join("\n")) } : null;
}
