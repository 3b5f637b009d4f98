// Shows the document of the service that served this page.

const dark = matchMedia("(prefers-color-scheme: dark)");
const dress = () => document.documentElement.classList.toggle("dark-mode", dark.matches); // as swagger-ui has it
dark.addEventListener("change", dress);
dress();

SwaggerUIBundle({
  dom_id: "#operations",
  url: new URL("openapi.yaml", document.baseURI).href,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  docExpansion: "list",
  queryConfigEnabled: false, // a link to this page says nothing but where
  validatorUrl: null, // which is on another host
});
