// Requests to our own server. A write carries the header that no foreign page can set.

/** What the server answered instead: status 0 when it could not be reached. `more` is the answer's whole JSON. */
export class Refused extends Error {
  constructor(status, more = {}) {
    super([more.error, more.remedy].filter(Boolean).join(": ") || `the server answered ${status}`);
    this.status = status;
    this.more = more;
  }
}

async function asked(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  } catch (error) {
    throw new Refused(0, { error: "the server can't be reached", remedy: "start `uptake review` again" });
  }
  if (!answer.ok) throw new Refused(answer.status, await answer.json().catch(() => ({})));
  return answer;
}

let reader = "";

/** Who reads on this page: every write says so, and is refused where another tab has given another name since. */
export const readsAs = (name) => { reader = name; };

export const get = async (path) => (await asked(path)).json();

/** The bytes of a volume, unpacked. */
export async function volume(path) {
  const url = new URL(path, location.origin);
  url.searchParams.set("raw", "1");
  return (await asked(url)).arrayBuffer();
}

/** A write: `body` is sent as JSON unless it is bytes. `seen` is the etag that it rests on. */
export async function send(method, path, body = null, { seen = null, keepalive = false } = {}) {
  const bytes = body instanceof Uint8Array || body instanceof Blob;
  const headers = { "X-Uptake": "1", "Content-Type": bytes ? "application/octet-stream" : "application/json" };
  if (seen !== null) headers["If-Match"] = seen;
  if (reader) headers["X-Uptake-Reader"] = encodeURIComponent(reader);
  const answer = await asked(path, { method, headers, keepalive, body: bytes ? body : JSON.stringify(body ?? {}) });
  return answer.json();
}

export const put = (path, body, options) => send("PUT", path, body, options);
export const post = (path, body, options) => send("POST", path, body, options);

/** The path of something of a case, with query values. */
export function casePath(caseId, what = "", query = {}) {
  const end = new URLSearchParams(Object.entries(query).filter(([, v]) => v !== null && v !== undefined && v !== ""));
  return `/api/cases/${encodeURIComponent(caseId)}${what ? `/${what}` : ""}${end.size ? `?${end}` : ""}`;
}

/** gzip in the browser itself. */
export async function gzip(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export async function gunzip(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
