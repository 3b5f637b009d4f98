import { closing } from "./closing.js";
import { at } from "./tokens.js";
import type { Close, Frame } from "./types.js";

/** Where a transport is to go, and whom it tells. */
export interface Course {
  base: URL;
  token: string;
  cursor?: string | undefined;
  frame(frame: Frame): void;
  /** Something came, if no frame. */
  heard(): void;
  end(close: Close): void;
}

/** A way to hear the service. */
export interface Transport {
  /** Absent where there is no way back. */
  send?(frame: Frame): void;
  close(): void;
}

/** Opens a WebSocket. */
export function openSocket({ base, token, cursor, frame, end }: Course): Transport {
  const url = at(base, "ws", { cursor });
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url, ["bellhop.v1", `bearer.${token}`]);
  socket.onmessage = ({ data }) => frame(JSON.parse(data));
  socket.onclose = ({ code, reason }) => end(closing(code, reason));
  return {
    send: (command) => socket.send(JSON.stringify(command)),
    close: () => socket.close(1000),
  };
}
