// A stand-in for LuCI's client code, for where the real one cannot be had: what our pages use of it, and its traps.
//
// It is held to recordings of the real one (tests/browser/luci/recordings): what a form sends and what is saved must be
// the same. This file has what the real `luci.js` has: the loader of modules, the document, calls, polls and views.

(() => {
  /** `class.extend({...})`, as LuCI's modules are written. */
  function extendable(base) {
    base.extend = (members) => {
      const made = class extends base {};
      Object.assign(made.prototype, members);
      return extendable(made);
    };
    return base;
  }

  const isNode = (thing) => thing instanceof Node;
  const instances = new WeakMap();

  const dom = {
    elem: isNode,

    append(node, children) {
      if (Array.isArray(children)) {
        // The real one shows a null in here as a word, too.
        for (const child of children) node.append(isNode(child) ? child : document.createTextNode(`${child}`));
      } else if (typeof children === 'function') dom.append(node, children(node));
      else if (isNode(children)) node.append(children);
      // A text that stands alone is markup: whoever means a text puts it into an array.
      else if (children !== null && children !== undefined) node.insertAdjacentHTML('beforeend', `${children}`);
    },

    content(node, children) {
      node.replaceChildren();
      dom.append(node, children);
    },

    create(tag, attributes, children) {
      const hasAttributes = attributes !== null && typeof attributes === 'object' && !Array.isArray(attributes) && !isNode(attributes);
      const node = Array.isArray(tag) ? document.createDocumentFragment() : document.createElement(tag);
      if (Array.isArray(tag)) dom.append(node, tag);
      if (hasAttributes) {
        for (const [name, value] of Object.entries(attributes)) {
          if (value === null || value === undefined) continue;
          if (typeof value === 'function') node.addEventListener(name, value);
          else node.setAttribute(name, typeof value === 'object' ? JSON.stringify(value) : value);
        }
        if (children !== undefined) dom.append(node, children);
      } else if (arguments.length > 1) dom.append(node, children === undefined ? attributes : children);
      return node;
    },

    bindClassInstance: (node, instance) => instances.set(node, instance),

    findClassInstance(node) {
      for (let at = node; at; at = at.parentNode) if (instances.has(at)) return instances.get(at);
      return null;
    },

    callClassMethod(node, method, ...given) {
      return dom.findClassInstance(node)?.[method]?.(...given);
    },
  };
  window.E = dom.create;

  async function post(url, body, query) {
    const all = query ? `${url}?${new URLSearchParams(query)}` : url;
    return fetch(all, { method: 'POST', body });
  }

  let calls = 0;
  const rpc = {
    /** A call of ubus. Without `expect` and `reject` a refusal is a number. */
    declare({ object, method, params = [], expect, reject }) {
      return async (...given) => {
        const named = {};
        params.forEach((name, i) => given[i] !== undefined && (named[name] = given[i]));
        calls += 1;
        const request = { jsonrpc: '2.0', id: calls, method: 'call', params: [L.env.sessionid, object, method, named] };
        const answer = await (await post(L.env.ubuspath, JSON.stringify(request))).json();
        if (answer.error) throw new Error(`RPC call to ${object}/${method} failed with error ${answer.error.code}: ${answer.error.message}`);
        const [status, data] = answer.result;
        if (status && reject) throw new Error(`RPC call to ${object}/${method} failed with ubus code ${status}`);
        const told = answer.result.length > 1 ? data : status;
        if (!expect) return told;
        const [[key, other]] = Object.entries(expect);
        const found = key === '' ? told : told?.[key];
        const alike = (a, b) => Object.prototype.toString.call(a) === Object.prototype.toString.call(b);
        return alike(found, other) ? found : other;
      };
    },
  };

  const poll = {
    add(work, seconds) {
      const turn = async () => {
        await Promise.resolve(work()).catch(() => {});
        setTimeout(turn, 1000 * (seconds ?? L.env.pollinterval));
      };
      setTimeout(turn, 1000 * (seconds ?? L.env.pollinterval));
    },
  };

  class Base {}
  const baseclass = extendable(Base);

  class View {
    constructor() {
      const place = document.getElementById('view');
      const begin = Promise.resolve(this.load?.());
      const shown = begin.then((data) => this.render(data)).then((nodes) => {
        dom.content(place, nodes);
        dom.append(place, this.footer());
      });
      shown.catch((error) => {
        console.error(error);
        dom.content(place, [E('p', { class: 'alert-message' }, [error.message])]);
        throw error;
      });
    }

    maps() {
      return [...document.querySelectorAll('#maincontent .cbi-map')].map((map) => dom.findClassInstance(map));
    }

    handleSave() {
      return Promise.all(this.maps().map((map) => map.save()));
    }

    async handleSaveApply(event, mode) {
      await this.handleSave(event);
      (await L.require('ui')).changes.apply(mode === '0');
    }

    handleReset() {
      return Promise.all(this.maps().map((map) => map.reset()));
    }

    footer() {
      if (!this.handleSave && !this.handleSaveApply && !this.handleReset) return E([]);
      const maps = this.maps();
      const isReader = maps.length > 0 ? maps.every((map) => map.readonly) : !L.hasViewPermission();
      const button = (kind, handler, title, more) => E('button', {
        class: `cbi-button cbi-button-${kind}`, click: handler, disabled: isReader || null, ...more,
      }, [title]);
      const busy = (work) => async (event) => {
        const target = event.currentTarget;
        target.classList.add('spinning');
        target.disabled = true;
        await Promise.resolve(work.call(this, event, '0')).catch(() => {});
        target.classList.remove('spinning');
        target.disabled = false;
      };
      return E('div', { class: 'cbi-page-actions' }, [
        this.handleSaveApply ? button('apply', busy(this.handleSaveApply), _('Save & Apply')) : '',
        this.handleSave ? button('save', busy(this.handleSave), _('Save')) : '',
        this.handleReset ? button('reset', busy(this.handleReset), _('Reset')) : '',
      ]);
    }
  }
  const view = extendable(View);

  const built = { baseclass: Promise.resolve(baseclass), dom: Promise.resolve(dom), poll: Promise.resolve(poll), rpc: Promise.resolve(rpc), view: Promise.resolve(view) };

  window.LuCI = class {
    constructor(env) {
      this.env = env;
    }

    /** A module by its name, with what its `'require …'` lines name. */
    require(name) {
      built[name] ??= this.#load(name);
      return built[name];
    }

    async #load(name) {
      const answer = await fetch(`${this.env.resource}/${name.replaceAll('.', '/')}.js`);
      if (!answer.ok) throw new Error(`there is no module ${name}`);
      const source = await answer.text();
      const wanted = [];
      for (const [, line] of source.matchAll(/^'([^'\n]+)';$/gm)) {
        const found = /^require (\S+)(?: as (\w+))?$/.exec(line);
        if (found) wanted.push([found[2] ?? found[1].replace(/\W/g, '_'), found[1]]);
      }
      const modules = await Promise.all(wanted.map(([, module]) => this.require(module)));
      const made = new Function(...wanted.map(([as]) => as), `${source}\n//# sourceURL=${name}`)(...modules);
      return new made();
    }

    resolveDefault(promise, other) {
      return Promise.resolve(promise).catch(() => other);
    }

    toArray(value) {
      if (value === null || value === undefined) return [];
      if (Array.isArray(value)) return value;
      const text = String(value).trim();
      return text === '' ? [] : text.split(/\s+/);
    }

    url(...parts) {
      return [this.env.scriptname, ...parts].join('/');
    }

    hasViewPermission() {
      return !this.env.nodespec.readonly;
    }
  };
  window.LuCI.post = post;
})();
