export default { script: "none" };
