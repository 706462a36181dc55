import { defineConfig } from "walras";

export default defineConfig({
  currency: { code: "EUR" },
  sessionConfigs: [
    {
      name: "trade",
      appSequence: ["trade"],
      numDemoParticipants: 4,
      realWorldCurrencyPerPoint: 0.1,
      nested: { a: [1] },
    },
  ],
});
