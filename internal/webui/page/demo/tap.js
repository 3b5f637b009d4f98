/**
 * Calls onFrame with the user, the direction and the text of each message on the page's
 * future WebSockets. Tokens are removed from the texts.
 */
export function tap(onFrame) {
  globalThis.WebSocket = class extends WebSocket {
    #user;

    constructor(url, protocols) {
      super(url, protocols);
      const token = protocols.find((name) => name.startsWith("bearer."));
      this.#user = JSON.parse(atob(token.split(".")[2].replace(/-/g, "+").replace(/_/g, "/"))).sub;
      this.addEventListener("message", ({ data }) => onFrame(this.#user, "in", data));
    }

    send(text) {
      super.send(text);
      onFrame(this.#user, "out", text.replace(/"token":"[^"]*"/, '"token":"…"'));
    }
  };
}
