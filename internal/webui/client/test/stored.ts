// A fake of the service's /preferences.

import { beforeEach } from "vitest";
import type { Preferences } from "../src/index.js";
import { browser } from "./fakes.js";

/** Reset before each test. */
export const service = {
  stored: { rules: [] } as Preferences,
  /** The methods and tokens of the requests, in order. */
  requests: [] as string[],
  users: [] as string[],
  /** Answers a request instead, if it returns something. */
  intercept: (_method: string): Response | Promise<Response> | Promise<void> | undefined => undefined,
};

/** Returns an answer with problem details. */
export const refusal = (status: number, detail: string) => Response.json({ title: "Refused", status, detail }, { status });

beforeEach(() => {
  Object.assign(service, { stored: { rules: [] }, requests: [], users: [], intercept: () => undefined });
  browser.fetch.mockImplementation(async (url, { method = "GET", body, headers }) => {
    if (url.pathname !== "/base/preferences") return new Response("", { status: 404 });
    const [, payload] = (headers as Record<string, string>).Authorization!.split(".");
    service.users.push(JSON.parse(atob(payload!)).sub);
    service.requests.push(method);
    const answer = await service.intercept(method);
    if (answer) return answer;
    if (method === "PUT") service.stored = JSON.parse(body as string);
    return Response.json(service.stored);
  });
});
