'use strict';
'require baseclass';
'require rpc';
'require widgets';

// A stand-in for LuCI's chooser of files: a list of a directory, and a way to send one more.

const list = rpc.declare({ object: 'file', method: 'list', params: ['path'], expect: { entries: [] } });

class FileUpload extends widgets.Widget {
  render() {
    const { id, root, disabled } = this.options;
    this.chosen = this.value ?? '';
    const button = E('button', { class: 'cbi-button', disabled: disabled ? '' : null, click: () => this.open() }, [this.chosen || _('Select file…')]);
    this.browser = E('div', { class: 'cbi-filebrowser' });
    this.button = button;
    this.root = root;
    return this.watch(E('div', { id }, [button, this.browser]), button, () => this.chosen, 'chosen');
  }

  async open() {
    const entries = await list(this.root);
    const input = E('input', { type: 'file', style: 'display:none' });
    const name = E('input', { type: 'text' });
    input.addEventListener('change', () => (name.value = input.files[0].name));
    const more = E('div', { class: 'hidden' }, [input, name, E('button', { class: 'cbi-button', click: async () => {
      const form = new FormData();
      form.append('sessionid', L.env.sessionid);
      form.append('filename', `${this.root}/${name.value}`);
      form.append('filedata', input.files[0]);
      await window.LuCI.post(`${L.env.cgi_base}/cgi-upload`, form);
      await this.open();
    } }, [_('Upload file')])]);
    const choose = (path) => () => {
      this.chosen = path;
      this.button.textContent = path;
      this.browser.replaceChildren();
      this.browser.classList.remove('open');
      this.button.dispatchEvent(new Event('chosen'));
    };
    this.browser.replaceChildren(
      E('ul', {}, entries.map((entry) => E('li', {}, [E('a', { href: '#', click: choose(`${this.root}/${entry.name}`) }, [entry.name])]))),
      E('button', { class: 'cbi-button', click: () => more.classList.remove('hidden') }, [_('Upload file…')]),
      more,
    );
    this.browser.classList.add('open');
  }

  getValue() {
    return this.chosen;
  }
}

return class {
  constructor() {
    return FileUpload;
  }
};
