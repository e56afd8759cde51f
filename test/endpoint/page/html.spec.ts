import { html, Html, json } from '../../../lib/endpoint/page/html.js';

describe('html', () => {
  it('escapes every value that is no markup, in lists as well', () => {
    expect(html`<p title="${'"\'&'}">${'<b>'}${['<i>', html`<u>${'&'}</u>`]}</p>`.text).toBe(
      '<p title="&quot;&#39;&amp;">&lt;b&gt;&lt;i&gt;<u>&amp;</u></p>',
    );
  });

  it('is nothing for null, undefined and false, and a figure for zero', () => {
    expect(html`${null}${undefined}${false}${0}${''}`.text).toBe('0');
  });

  it('drops a line break between elements and keeps one between words as a space', () => {
    const parts = Object.assign(['<p>\n  a\n  ', '</p>\n  <p>c</p>'], { raw: [] });
    expect(html(parts, 'b').text).toBe('<p> a b</p><p>c</p>');
  });

  it('keeps the line breaks of its values', () => {
    expect(html`<pre>${'a\n  b'}${new Html('c\n  d')}</pre>`.text).toBe('<pre>a\n  bc\n  d</pre>');
  });
});

describe('json', () => {
  it('cannot end the element that it stands in, and is the same value', () => {
    const value = { a: '</script><!--<script>', b: [1, null] };
    expect(json(value).text).not.toContain('<');
    expect(JSON.parse(json(value).text)).toEqual(value);
  });
});
