import { toClose } from "./close.js";
import type { Service } from "./service.js";
import type { Close, Frame } from "./types.js";

/** The target of a transport, and the callbacks that it calls. */
export interface TransportOptions {
  service: Service;
  token: string;
  cursor?: string | undefined;
  onFrame(frame: Frame): void;
  /** Data arrived, possibly not a complete frame. */
  onData(): void;
  end(close: Close): void;
}

/** A WebSocket or an event stream. */
export interface Transport {
  /** Absent if the transport cannot send. */
  send?(frame: Frame): void;
  close(): void;
}

/** Opens a WebSocket. */
export function openSocket({ service, token, cursor, onFrame, end }: TransportOptions): Transport {
  const url = service.url("ws", { cursor });
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url.href, ["bellhop.v1", `bearer.${token}`]);
  socket.onmessage = ({ data }) => onFrame(JSON.parse(data));
  socket.onclose = ({ code, reason }) => end(toClose(code, reason));
  return {
    send: (command) => socket.send(JSON.stringify(command)),
    close: () => socket.close(1000),
  };
}
