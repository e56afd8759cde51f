import { formatOf, questionOf, routeOf, type Format } from '../../lib/endpoint/question.js';

const PATH = '/api/v1/health';

describe('routeOf', () => {
  it.each([
    [PATH, 'health'],
    [`${PATH}/`, 'health'],
    [`${PATH}?`, 'health'],
    [`${PATH}?verbose&exclude=a/b?c`, 'health'],
    [`${PATH}/?x=/live`, 'health'],
    [`${PATH}/live`, 'live'],
    [`${PATH}/live/`, 'live'],
    [`${PATH}/live?verbose`, 'live'],
    [`${PATH}/ready`, 'ready'],
    [`${PATH}/ready/?a`, 'ready'],
  ])('%s is ours: %s', (url, route) => {
    expect(routeOf(url, PATH)).toBe(route);
  });

  it.each([
    '',
    '/',
    '*',
    '/api/v1',
    '/api/v1/healt',
    '/api/v1/healthz',
    '/api/v1/health.json',
    '/api/v1/health//',
    '/api/v1/health/liveness',
    '/api/v1/health/live/x',
    '/api/v1/health/constructor',
    '/api/v1/health#live',
    '/x/api/v1/health',
    '//api/v1/health',
    '/API/V1/HEALTH',
    '/api?x=/api/v1/health',
    'api/v1/health',
  ])("%s is the host's", (url) => {
    expect(routeOf(url, PATH)).toBeNull();
  });

  it('keeps to its path, whatever is like it', () => {
    for (const path of ['/h', '/a.b~c-d/e_f', '/health/live']) {
      expect(routeOf(path, path)).toBe('health');
      expect(routeOf(`${path}/ready`, path)).toBe('ready');
      expect(routeOf(`${path}x`, path)).toBeNull();
    }
  });

  it('knows its path in a request to a proxy as well: a server must accept the absolute form', () => {
    expect(routeOf(`http://example.com:3000${PATH}/live?verbose`, PATH)).toBe('live');
    expect(routeOf(`http://example.com:3000/x?y=${PATH}`, PATH)).toBeNull();
  });
});

describe('formatOf', () => {
  it.each<[string | undefined, Format]>([
    [undefined, 'json'],
    ['', 'json'],
    ['*/*', 'json'],
    ['application/*', 'json'],
    ['text/*', 'json'],
    ['application/json', 'json'],
    ['application/health+json', 'health+json'],
    ['APPLICATION/HEALTH+JSON', 'health+json'],
    ['text/plain', 'text'],
    ['text/plain; charset=utf-8', 'text'],
    ['text/html', 'html'],
    ['text/html;q=0', 'json'],
    ['text/html, application/json', 'json'],
    ['text/html, text/plain', 'text'],
    ['text/html;q=0.9, application/json;q=0.8', 'html'],
    ['text/html, application/health+json', 'health+json'],
    // whatever comes is as good: a page is for those who want it most
    ['text/html;q=0.8, */*', 'json'],
    ['text/html, */*', 'html'],
    ['image/png', 'json'],
    // a browser, curl with -H, fetch, axios
    ['text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8', 'html'],
    ['application/json, text/plain, */*', 'json'],
    ['text/plain, */*;q=0.1', 'text'],
    // the one wanted most, and ties: the more particular JSON, then JSON
    ['application/json, application/health+json', 'health+json'],
    ['application/json;q=0.9, application/health+json;q=0.8', 'json'],
    ['text/plain;q=0.9, application/health+json;q=0.8', 'text'],
    ['text/plain, application/json', 'json'],
    ['text/plain;q=0.5, application/json;q=0.4', 'text'],
    ['text/plain;q=0.4;level=1, text/plain;q=0.6, application/json;q=0.5', 'text'],
    // unwanted
    ['text/plain;q=0', 'json'],
    ['application/json;q=0', 'json'],
    ['application/health+json;q=0, text/plain;q=0.001', 'text'],
    ['application/health+json;q=0.0', 'json'],
    // malformed
    ['text/plain;q=', 'json'],
    ['text/plain;q=abc', 'json'],
    ['text/plain;q=-1', 'json'],
    ['text/plain;q=2', 'json'],
    ['text/plain;q=NaN', 'json'],
    ['text/plain;Q=0.5', 'text'],
    [';;;', 'json'],
    [',,,', 'json'],
    ['text/plain,', 'text'],
    [' text/plain ', 'text'],
    ['text / plain', 'json'],
    ['\u0000\u00ff', 'json'],
    // long: what stands in the first 512 characters counts, and half a word is no word
    [`${'image/png,'.repeat(40)}text/plain`, 'text'],
    [`${'image/png,'.repeat(60)}text/plain`, 'json'],
    [`${' '.repeat(507)}text/plain`, 'json'],
    [`text/plain,${'x'.repeat(1e6)}`, 'text'],
    ['constructor', 'json'],
  ])('answers Accept: %.60s with %s', (accept, format) => {
    expect(formatOf(accept)).toBe(format);
  });
});

describe('questionOf', () => {
  it.each([
    ['health', 'html'],
    ['live', 'json'],
    ['ready', 'json'],
  ] as const)('gives a browser at %s %s', (route, format) => {
    expect(questionOf(route, PATH, 'text/html').format).toBe(format);
  });

  it.each([
    ['health', '', undefined, undefined],
    ['health', '?page=', undefined, ''],
    ['health', '?page=abc-7', 'application/json', 'abc-7'],
    ['health', '?page=abc-7', 'text/html', undefined],
    ['health', '?page=abc-7', 'text/plain', undefined],
    ['ready', '?page=abc-7', undefined, undefined],
  ] as const)(
    'takes %s%s, Accept %s, to ask for the parts of a page from %j',
    (route, query, accept, page) => {
      expect(questionOf(route, PATH + query, accept).page).toBe(page);
    },
  );

  it.each([
    ['', false],
    ['?', false],
    ['?verbose', true],
    ['?verbose=', true],
    ['?verbose=true', true],
    ['?verbose=1', true],
    ['?verbose=false', false],
    ['?Verbose', false],
    ['?x=verbose', false],
  ])('%s: verbose is %s', (query, verbose) => {
    expect(questionOf('health', PATH + query, undefined).verbose).toBe(verbose);
  });

  it.each<[string, string[]]>([
    ['', []],
    ['?exclude=a', ['a']],
    ['?exclude=b&exclude=a&exclude=b', ['a', 'b']],
    ['?exclude=a%20b', ['a b']],
    ['?exclude=%zz', ['%zz']],
    ['?exclude', ['']],
    ['?exclude=a,b', ['a,b']],
  ])('%s excludes %j, each once and in order', (query, exclude) => {
    expect(questionOf('ready', PATH + query, undefined).exclude).toEqual(exclude);
  });

  it('reads at most 32 names and 512 characters of a query', () => {
    const many = Array.from({ length: 100 }, (_, i) => `exclude=${i}`).join('&');
    expect(questionOf('health', `${PATH}?${many}`, undefined).exclude).toHaveLength(32);
    const long = questionOf('health', `${PATH}?exclude=${'x'.repeat(1e6)}&verbose`, undefined);
    expect(long.exclude[0]!.length).toBe(512 - 'exclude='.length);
    expect(long.verbose).toBe(false);
  });
});
