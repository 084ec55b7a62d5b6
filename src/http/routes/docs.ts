import { createRequire } from 'node:module';
import path from 'node:path';
import express, { Router } from 'express';
import { contentSecurityPolicy } from 'helmet';
import { catalogue } from '../../lib/errors.js';
import { answer } from '../openapi/openapi-parts.js';
import { checkMethod, type Routes } from '../route.js';

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Penstock API</title>
<link rel="stylesheet" href="/api/docs/assets/swagger-ui.css">
<link rel="icon" type="image/png" href="/api/docs/assets/favicon-32x32.png">
</head>
<body>
<div id="page"></div>
<noscript>The API as OpenAPI 3.1: <a href="/api/openapi.json">/api/openapi.json</a></noscript>
<script src="/api/docs/assets/swagger-ui-bundle.js"></script>
<script src="/api/docs/start.js"></script>
</body>
</html>
`;

/** A separate file, because the security policy does not allow inline scripts. */
const start = `window.ui = SwaggerUIBundle({
  url: '/api/openapi.json',
  dom_id: '#page',
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  validatorUrl: null,
});
`;

const escapeHtml = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

const errorsPage = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Penstock: errors</title></head>
<body><h1>Errors</h1><p><code>error</code> and <code>detail</code> in the answer say what was wrong.
<code>errors</code> lists single problems with their places.</p><dl>
${Object.entries(catalogue)
  .map(
    ([code, { status, title }]) =>
      `<dt id="${code}"><code>${code}</code> (${status})</dt><dd>${escapeHtml(title)}</dd>`,
  )
  .join('\n')}
</dl></body></html>
`;

/** Our own pages may run our own scripts. */
const pagePolicy = contentSecurityPolicy({ directives: { 'upgrade-insecure-requests': null } });

const htmlPage = (id: string, summary: string, html: string): Routes => ({
  security: [],
  routes: {
    'GET /': {
      id,
      summary,
      answers: {
        200: { description: 'A page', content: { 'text/html': { schema: { type: 'string' } } } },
        304: answer('Unchanged'),
      },
      handle: [pagePolicy, (_request, response) => void response.type('html').send(html)],
    },
  },
});

/** The page that the `type` of an error points to. */
export const errorsPageRoutes = htmlPage('docs_errors', 'Read what each error means', errorsPage);

/** A page to read and try the API, without requests to other servers. */
export const docsPageRoutes = htmlPage('docs', 'Read the API and try it out', page);

/** What that page loads. */
export function docsAssets(): Router {
  const require = createRequire(import.meta.url);
  const assets = path.dirname(require.resolve('swagger-ui-dist/package.json'));
  const router = Router();
  router.all('/start.js', checkMethod([{ method: 'GET', query: () => ({}) }]), (_request, response) => {
    response.type('text/javascript').send(start);
  });
  router.use('/assets', express.static(assets, { index: false, maxAge: '1d' }));
  return router;
}
