import { defineConfig } from "walras";

const pair = { appSequence: ["pair"], numDemoParticipants: 2, participationFee: 3 };

export default defineConfig({
  currency: { code: "EUR" },
  sessionConfigs: [
    {
      ...pair,
      name: "earned",
      completionLink: "https://example.org/done",
      replacedLink: "https://example.org/replaced?who={code}",
      replacedCode: "R-7",
    },
    { ...pair, name: "fixed", replacedFee: 1.5, language: "de" },
  ],
});
