'use strict';
'require baseclass';
'require rpc';
'require uci';
'require ui';
'require dom';
'require values';

// A stand-in for LuCI's `form`: maps and sections. The options are in `values`.

const access = rpc.declare({ object: 'session', method: 'access', params: ['scope', 'object', 'function'], expect: { access: false } });

/** What a form changes when it is no configuration. */
class Json {
  constructor(data) {
    this.data = data;
  }

  load() {}

  save() {}

  get(config, section, option) {
    return option == null ? this.data[section] : this.data[section]?.[option];
  }

  set(config, section, option, value) {
    this.data[section][option] = value;
  }

  unset(config, section, option) {
    delete this.data[section][option];
  }
}

class Map {
  constructor(config, title, description) {
    Object.assign(this, { config, title, description, data: uci, children: [], chained: [config] });
  }

  section(made, ...given) {
    const section = new made(this, ...given);
    this.children.push(section);
    return section;
  }

  async load() {
    if (this.data === uci) {
      if (this.readonly == null && !(await access('uci', this.config, 'write'))) this.readonly = true;
      await uci.load(this.config);
    }
    for (const section of this.children) await section.load();
  }

  async render() {
    await this.load();
    return this.renderContents();
  }

  async renderContents() {
    this.root ??= E('div', { id: `cbi-${this.config}`, class: 'cbi-map', 'cbi-dependency-check': () => this.checkDepends() });
    dom.bindClassInstance(this.root, this);
    const nodes = [];
    for (const section of this.children) nodes.push(await section.render());
    dom.content(this.root, null);
    if (this.title) this.root.append(E('h2', { name: 'content' }, this.title));
    if (this.description) this.root.append(E('div', { class: 'cbi-map-descr' }, this.description));
    dom.append(this.root, nodes);
    this.root.querySelectorAll('.cbi-section-node-tabbed').forEach((group) => ui.tabs.init(group));
    this.checkDepends();
    return this.root;
  }

  async parse() {
    for (const section of this.children) await section.parse();
  }

  /** Takes what is in the fields, stages it, and shows what is there after that. */
  async save(then, silent) {
    this.checkDepends();
    try {
      await this.parse();
      await then?.();
      await this.data.save();
      await this.load();
    } catch (error) {
      if (!silent) {
        ui.showModal(_('Save error'), [
          E('p', {}, [error.message]),
          E('div', { class: 'right' }, [E('button', { class: 'cbi-button', click: ui.hideModal }, [_('Dismiss')])]),
        ]);
      }
      throw error;
    }
    return this.renderContents();
  }

  reset() {
    return this.renderContents();
  }

  /** Hides what depends on other values, until nothing changes any more. */
  checkDepends() {
    for (let turn = 0; turn < 10; turn += 1) {
      if (!this.children.map((section) => section.checkDepends()).includes(true)) break;
    }
    for (const section of this.children) section.validate();
  }

  lookup(option, section) {
    const field = this.root.querySelector(`[data-field="cbid.${this.config}.${section}.${option}"]`);
    return field && dom.findClassInstance(field);
  }

  satisfied(depends, section) {
    if (depends.length === 0) return true;
    return depends.some((all) => Object.entries(all).every(([name, wanted]) => {
      const option = this.lookup(name, section);
      const value = option?.isActive(section) ? option.formvalue(section) : null;
      return wanted instanceof RegExp ? value != null && wanted.test(value) : value === wanted;
    }));
  }
}

class JSONMap extends Map {
  constructor(data, ...given) {
    super('json', ...given);
    this.data = new Json(data);
  }
}

class Section {
  constructor(map, type, title, description) {
    Object.assign(this, { map, sectiontype: type, title, description, config: map.config, children: [], tabs: [] });
  }

  tab(name, title, description) {
    this.tabs.push({ name, title, description });
  }

  option(made, ...given) {
    const option = new made(this.map, this, ...given);
    this.children.push(option);
    return option;
  }

  taboption(tab, ...given) {
    const option = this.option(...given);
    option.tab = tab;
    return option;
  }

  async load() {
    for (const section of this.cfgsections()) {
      for (const option of this.children) option.cfgvalue(section, await option.load(section));
    }
  }

  async parse() {
    for (const section of this.cfgsections()) {
      for (const option of this.parsed()) await option.parse(section);
    }
  }

  parsed() {
    return this.children;
  }

  formvalue(section, name) {
    const option = this.children.find((o) => o.option === name);
    if (!option) return null;
    return this.map.root ? option.formvalue(section) : option.cfgvalue(section);
  }

  checkDepends() {
    let has = false;
    for (const section of this.cfgsections()) {
      for (const option of this.children) {
        const is = this.map.satisfied(option.deps, section);
        if (option.isActive(section) !== is) has = option.setActive(section, is) || has;
      }
    }
    return has;
  }

  validate() {
    for (const section of this.cfgsections()) {
      for (const option of this.children) if (option.isActive(section)) option.element(section)?.triggerValidation();
    }
  }

  /** The fields of one section, in tabs if there are any. */
  async fields(section) {
    const options = async (of) => {
      const nodes = [];
      for (const option of of) nodes.push(await option.render(section, false));
      return nodes;
    };
    const node = E('div', { id: `cbi-${this.config}-${section}`, class: 'cbi-section-node' });
    if (this.tabs.length === 0) dom.append(node, await options(this.children));
    else {
      node.classList.add('cbi-section-node-tabbed');
      for (const { name, title, description } of this.tabs) {
        const pane = E('div', { 'data-tab': name, 'data-tab-title': title });
        if (description) pane.append(E('div', { class: 'cbi-tab-descr' }, description));
        dom.append(pane, await options(this.children.filter((option) => option.tab === name)));
        node.append(pane);
      }
    }
    return node;
  }

  frame(id) {
    const node = E('div', { id, class: 'cbi-section' });
    if (this.title) node.append(E('h3', {}, this.title));
    if (this.description) node.append(E('div', { class: 'cbi-section-descr' }, this.description));
    return node;
  }
}

class NamedSection extends Section {
  constructor(map, section, ...given) {
    super(map, ...given);
    this.section = section;
  }

  cfgsections() {
    return [this.section];
  }

  async render() {
    const node = this.frame();
    if (this.map.data.get(this.config, this.section)) node.append(await this.fields(this.section));
    return node;
  }
}

/** A table of sections; each is changed in a dialog. */
class GridSection extends Section {
  cfgsections() {
    return uci.sections(this.config, this.sectiontype).map((section) => section['.name']);
  }

  parsed() {
    return this.children.filter((option) => option.editable);
  }

  renderSectionPlaceholder() {
    return E('em', {}, [_('This section contains no values yet')]);
  }

  async render() {
    const node = this.frame(`cbi-${this.config}-${this.sectiontype}`);
    const columns = this.children.filter((option) => !option.modalonly);
    const head = [...(this.anonymous ? [] : [E('th', {}, [_('Name')])]), ...columns.map((o) => E('th', {}, o.title)), E('th', {}, [''])];
    const sections = this.cfgsections();
    const rows = sections.map((section) => E('tr', { class: 'tr cbi-section-table-row', 'data-sid': section }, [
      ...(this.anonymous ? [] : [E('td', { class: 'td cbi-section-table-titles' }, [section])]),
      ...columns.map((o) => E('td', { class: 'td', 'data-title': o.title }, o.textvalue(section) ?? E('em', {}, [_('none')]))),
      E('td', { class: 'td cbi-section-actions' }, [
        E('button', { class: 'cbi-button cbi-button-edit', click: ui.createHandlerFn(this, 'openDialog', section) }, [_('Edit')]),
        E('button', { class: 'cbi-button cbi-button-remove', disabled: this.map.readonly || null, click: ui.createHandlerFn(this, 'handleRemove', section) }, [_('Delete')]),
      ]),
    ]));
    if (rows.length === 0) rows.push(E('tr', {}, [E('td', { colspan: head.length }, [this.renderSectionPlaceholder()])]));
    node.append(E('table', { class: 'table cbi-section-table' }, [E('thead', {}, [E('tr', {}, head)]), E('tbody', {}, rows)]));
    if (this.addremove) node.append(this.renderAdd());
    return node;
  }

  renderAdd() {
    const isReader = this.map.readonly || null;
    const title = this.addbtntitle ?? _('Add');
    if (this.anonymous) {
      return E('div', { class: 'cbi-section-create' }, [
        E('button', { class: 'cbi-button cbi-button-add', disabled: isReader, click: ui.createHandlerFn(this, (event) => this.handleAdd(event)) }, [title]),
      ]);
    }
    const name = E('input', { type: 'text', class: 'cbi-section-create-name', disabled: isReader });
    const button = E('button', { class: 'cbi-button cbi-button-add', disabled: true, click: ui.createHandlerFn(this, (event) => this.handleAdd(event, name.value)) }, [title]);
    name.addEventListener('keyup', () => (button.disabled = !/^[a-zA-Z0-9_]+$/.test(name.value)));
    return E('div', { class: 'cbi-section-create' }, [name, button]);
  }

  handleAdd(event, name) {
    const section = uci.add(this.config, this.sectiontype, name);
    this.added = section;
    return this.openDialog(section);
  }

  handleRemove(section) {
    uci.remove(this.config, section);
    return this.map.save(null, true);
  }

  /** A map of its own for one section, with copies of the options. */
  async openDialog(section) {
    const map = new Map(this.config);
    const copy = map.section(NamedSection, section, this.sectiontype);
    map.readonly = this.map.readonly;
    copy.tabs = this.tabs;
    for (const option of this.children) {
      const own = copy.option(option.constructor, option.option, option.title, option.description);
      for (const [key, value] of Object.entries(option)) {
        if (!['map', 'section', 'option', 'title', 'description'].includes(key)) own[key] = value;
      }
    }
    const close = async () => {
      if (this.added) uci.remove(this.config, this.added);
      this.added = null;
      ui.hideModal();
    };
    const keep = async () => {
      try {
        await map.save(null, true);
      } catch {
        return; // The fields say what is wrong.
      }
      this.added = null;
      await this.map.load();
      await this.map.reset();
      ui.hideModal();
    };
    const nodes = await map.render();
    ui.showModal(this.modaltitle?.(section) ?? section, [nodes, E('div', { class: 'button-row' }, [
      E('button', { class: 'cbi-button', click: close }, [_('Dismiss')]),
      E('button', { class: 'cbi-button cbi-button-positive important', disabled: map.readonly || null, click: ui.createHandlerFn(this, keep) }, [_('Save')]),
    ])], 'cbi-modal');
    map.checkDepends();
  }
}

return class {
  constructor() {
    return { Map, JSONMap, NamedSection, GridSection, ...values };
  }
};
