import { closing } from "./closing.js";
import type { Service } from "./service.js";
import type { Close, Frame } from "./types.js";

/** Where a transport goes, and what it calls. */
export interface Course {
  service: Service;
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
export function openSocket({ service, token, cursor, frame, end }: Course): Transport {
  const url = service.at("ws", { cursor });
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url.href, ["bellhop.v1", `bearer.${token}`]);
  socket.onmessage = ({ data }) => frame(JSON.parse(data));
  socket.onclose = ({ code, reason }) => end(closing(code, reason));
  return {
    send: (command) => socket.send(JSON.stringify(command)),
    close: () => socket.close(1000),
  };
}
