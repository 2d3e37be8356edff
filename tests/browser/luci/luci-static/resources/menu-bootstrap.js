'use strict';
'require baseclass';

// A stand-in for the menu of LuCI's theme: the tabs of our pages.

return baseclass.extend({
  ready: (async () => {
    let node = await (await fetch(L.url('admin/menu'))).json();
    const at = L.env.dispatchpath;
    for (const name of at.slice(0, 3)) node = node.children[name];
    const entries = Object.entries(node.children).sort(([, a], [, b]) => a.order - b.order);
    const tabs = document.getElementById('tabmenu');
    tabs.style.display = '';
    tabs.append(E('ul', { class: 'tabs' }, entries.map(([name, entry]) => E('li', { class: name === at[3] ? 'active' : '' }, [
      E('a', { href: L.url(...at.slice(0, 3), name) }, [_(entry.title)]),
    ]))));
  })(),
});
