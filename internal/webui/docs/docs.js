// Shows the OpenAPI document of the service that served this page.

const dark = matchMedia("(prefers-color-scheme: dark)");
const applyTheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches); // swagger-ui's class
dark.addEventListener("change", applyTheme);
applyTheme();

SwaggerUIBundle({
  dom_id: "#operations",
  url: new URL("openapi.yaml", document.baseURI).href,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  docExpansion: "list",
  queryConfigEnabled: false, // a link to this page cannot change its settings
  validatorUrl: null, // the default validator is on another host
});
