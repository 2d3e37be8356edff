'use strict';
'require baseclass';
'require rpc';

// A stand-in for LuCI's `uci`: what is changed in a page is kept there until it is saved.

const calls = {
  get: rpc.declare({ object: 'uci', method: 'get', params: ['config'], expect: { values: {} }, reject: true }),
  add: rpc.declare({ object: 'uci', method: 'add', params: ['config', 'type', 'name', 'values'], expect: { section: '' }, reject: true }),
  set: rpc.declare({ object: 'uci', method: 'set', params: ['config', 'section', 'values'], reject: true }),
  delete: rpc.declare({ object: 'uci', method: 'delete', params: ['config', 'section', 'options'], reject: true }),
};

return baseclass.extend({
  /** By configuration: what is there, and what is to be added, set, unset and removed. */
  state: {},

  async load(configs) {
    for (const config of [configs].flat()) {
      if (this.state[config]) continue;
      const values = await calls.get(config);
      this.state[config] = { values, added: {}, set: {}, unset: {}, removed: new Set() };
    }
  },

  unload(configs) {
    [configs].flat().forEach((config) => delete this.state[config]);
  },

  sections(config, type, each) {
    const state = this.state[config];
    if (!state) return [];
    const there = Object.entries(state.values).filter(([name]) => !state.removed.has(name));
    const found = there.sort(([, a], [, b]) => a['.index'] - b['.index']).map(([name]) => this.get(config, name));
    const all = [...found, ...Object.values(state.added)].filter((s) => !type || s['.type'] === type);
    if (each) all.forEach((s) => each(s, s['.name']));
    return all;
  },

  get(config, section, option) {
    const state = this.state[config];
    if (!state || section == null || state.removed.has(section)) return null;
    if (state.added[section]) return option == null ? state.added[section] : state.added[section][option];
    if (!state.values[section]) return null;
    const merged = { ...state.values[section], ...state.set[section] };
    for (const name of Object.keys(state.unset[section] ?? {})) delete merged[name];
    return option == null ? merged : merged[option];
  },

  get_first(config, type, option) {
    const first = this.sections(config, type)[0];
    return first ? (option == null ? first : first[option]) : null;
  },

  get_bool(config, section, option) {
    return ['1', 'on', 'true', 'yes', 'enabled'].includes(String(this.get(config, section, option)).toLowerCase());
  },

  set(config, section, option, value) {
    const state = this.state[config];
    if (!state || option.startsWith('.')) return;
    if (state.added[section]) {
      if (value == null) delete state.added[section][option];
      else state.added[section][option] = value;
      return;
    }
    if (!state.values[section] || state.removed.has(section)) return;
    const [set, unset] = [(state.set[section] ??= {}), (state.unset[section] ??= {})];
    if (value != null && value !== '') {
      delete unset[option];
      set[option] = value;
    } else {
      delete set[option];
      if (option in state.values[section]) unset[option] = true;
    }
  },

  unset(config, section, option) {
    this.set(config, section, option, null);
  },

  add(config, type, name) {
    const section = name || `new${Math.random().toString(16).slice(2, 8)}`;
    this.state[config].added[section] = { '.type': type, '.name': section, '.create': name, '.anonymous': !name };
    return section;
  },

  remove(config, section) {
    const state = this.state[config];
    if (state.added[section]) delete state.added[section];
    else state.removed.add(section);
  },

  /** Removes, adds and sets, in this order, and reads again what it changed. */
  async save() {
    const tasks = [];
    const changed = new Set();
    const entries = Object.entries(this.state);
    const task = (config, work) => {
      changed.add(config);
      tasks.push(work);
    };
    for (const [config, state] of entries) {
      for (const section of state.removed) task(config, () => calls.delete(config, section, null));
      for (const [section, options] of Object.entries(state.unset)) {
        const names = Object.keys(options);
        if (names.length && !state.removed.has(section)) task(config, () => calls.delete(config, section, names));
      }
    }
    for (const [config, state] of entries) {
      for (const section of Object.values(state.added)) {
        const values = Object.fromEntries(Object.entries(section).filter(([name]) => !name.startsWith('.')));
        task(config, async () => {
          section['.name'] = await calls.add(config, section['.type'], section['.create'], values);
        });
      }
    }
    for (const [config, state] of entries) {
      for (const [section, values] of Object.entries(state.set)) {
        if (Object.keys(values).length && !state.removed.has(section)) task(config, () => calls.set(config, section, values));
      }
    }
    for (const work of tasks) await work();
    this.unload([...changed]);
    await this.load([...changed]);
    return [...changed];
  },
});
