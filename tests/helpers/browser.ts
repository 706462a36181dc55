import sparticuz from "@sparticuz/chromium";
import { type Browser, chromium, type Page } from "playwright-core";

/** A real Chromium out of the npm registry. The caller closes it. @param switches more of its command line */
export async function launchChromium(...switches: string[]): Promise<Browser> {
  return chromium.launch({
    executablePath: await sparticuz.executablePath(),
    // Single-process mode, which its defaults ask for, cannot open several windows side by side.
    args: [...sparticuz.args.filter((arg) => arg !== "--single-process" && arg !== "--no-zygote"), ...switches],
    headless: true,
  });
}

/** What went wrong in a page while it was open: exceptions, and errors on its console. */
export function watchErrors(page: Page): string[] {
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  return errors;
}

/** The links of a new session of a config, made through the demo page as a person would. */
export async function startDemoSession(base: string, config: string): Promise<{ sessionUrl: string; links: string[] }> {
  const created = await fetch(`${base}/demo/${config}`, {
    method: "POST",
    redirect: "manual",
    headers: { origin: base },
  });
  const sessionUrl = base + created.headers.get("location");
  const html = await (await fetch(sessionUrl)).text();
  const links = new Set([...html.matchAll(/\/InitializeParticipant\/[\w-]+/g)].map(([path]) => base + path));
  return { sessionUrl, links: [...links] };
}
