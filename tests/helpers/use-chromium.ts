import { afterAll, afterEach, beforeAll } from "@jest/globals";
import type { Browser, BrowserContext } from "playwright-core";
import { launchChromium } from "./browser.ts";

/** A Chromium for a test file. The contexts that a test makes are closed when it ends, whatever came of it. */
export function useChromium(): Pick<Browser, "newContext"> {
  let browser: Browser;
  let contexts: BrowserContext[] = [];
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterEach(async () => {
    for (const context of contexts) await context.close();
    contexts = [];
  });
  afterAll(() => browser?.close());
  return {
    async newContext(options) {
      const context = await browser.newContext(options);
      contexts.push(context);
      return context;
    },
  };
}
