/**
 * Asks over HTTP on the loopback, one connection per request, and returns all of the answer as it came.
 */
import http from 'node:http';
import https from 'node:https';

/** `{ status, headers, body }`; `json()` of the body. `to` is a port or the URL's beginning. */
export function ask(to, path, { method = 'GET', headers = {}, body, ...options } = {}) {
  const base = typeof to === 'number' ? `http://127.0.0.1:${to}` : to;
  const { request } = base.startsWith('https') ? https : http;
  return new Promise((resolve, reject) => {
    const asked = request(base + path, { method, headers, agent: false, ...options }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => (text += chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode,
          headers: response.headers,
          body: text,
          json: () => JSON.parse(text),
        }),
      );
    });
    asked.setTimeout(20_000, () => asked.destroy(new Error(`${method} ${path}: silent for 20 s`)));
    asked.on('error', reject);
    asked.end(body);
  });
}
