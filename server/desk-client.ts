import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import type { NewSessionAnswer, NewSessionRequest } from "./api.ts";

/** The desk of a running server, as a program uses it. */
export class DeskClient {
  readonly base: string;
  readonly #password: string | undefined;
  #cookie = "";

  /** @param url of the server, e.g. `https://lab.example.org` @throws WalrasError `wrong_url` */
  constructor(url: string, password: string | undefined) {
    if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
      throw new WalrasError("wrong_url", `"${url}" is no address of a server. Give it e.g. http://localhost:8000`);
    }
    this.base = new URL(url).origin;
    this.#password = password;
  }

  /** Makes a session. @returns its code and the participants' links, with the host @throws WalrasError with what the server said */
  async createSession(request: NewSessionRequest): Promise<{ code: string; links: string[] }> {
    const make = () =>
      this.#post("/api/sessions", JSON.stringify(request), {
        "content-type": "application/json",
        accept: "application/json",
      });
    let response = await make();
    if (response.status === 401) {
      await this.#login();
      response = await make();
    }
    if (response.status !== 201) throw await refusal(response);
    const { code, links }: NewSessionAnswer = await response.json();
    return { code, links: links.map((link) => this.base + link) };
  }

  async #login(): Promise<void> {
    if (this.#password === undefined) {
      throw new WalrasError(
        "login_needed",
        `${this.base} asks for a password to make sessions. Set WALRAS_ADMIN_PASSWORD to that server's.`,
      );
    }
    const response = await this.#post("/login", new URLSearchParams({ password: this.#password }), {});
    const cookie = response.headers.getSetCookie()[0];
    if (cookie === undefined) {
      throw new WalrasError("wrong_password", `${this.base} does not take the password in WALRAS_ADMIN_PASSWORD.`);
    }
    this.#cookie = cookie.split(";")[0] ?? "";
  }

  async #post(path: string, body: string | URLSearchParams, headers: Record<string, string>): Promise<Response> {
    try {
      return await fetch(this.base + path, {
        method: "POST",
        body,
        headers: { ...headers, origin: this.base, ...(this.#cookie === "" ? {} : { cookie: this.#cookie }) },
        redirect: "manual",
        signal: AbortSignal.timeout(60_000),
      });
    } catch (error) {
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
      const why = cause instanceof Error && "code" in cause ? String(cause.code) : messageOf(cause);
      throw new WalrasError(
        "unreachable",
        `There is no server at ${this.base} (${why}). Start it, or check the address.`,
      );
    }
  }
}

async function refusal(response: Response): Promise<WalrasError> {
  const text = await response.text();
  try {
    const { code, message }: { code: string; message: string } = JSON.parse(text);
    if (typeof message === "string") return new WalrasError(code, message);
  } catch {
    // Not our words: something else answers there.
  }
  return new WalrasError("no_walras", `${response.url} answered ${response.status}, and not as a Walras server does.`);
}
