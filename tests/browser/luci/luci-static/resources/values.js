'use strict';
'require baseclass';
'require dom';
'require widgets';
'require upload';

// A stand-in for the options of LuCI's `form`: each reads one option, shows a field, and writes or removes the option.

function same(a, b) {
  return JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
}

class Value {
  constructor(map, section, option, title, description) {
    Object.assign(this, { map, section, option, title, description, deps: [], rmempty: true, optional: false, default: null });
    this.config = map.config;
  }

  static extend(members) {
    const made = class extends this {};
    Object.assign(made.prototype, members);
    return made;
  }

  value(key, label) {
    (this.keylist ??= []).push(String(key));
    (this.vallist ??= []).push(label ?? String(key));
  }

  depends(name, value) {
    this.deps.push({ [name]: value });
  }

  cbid(section) {
    return `cbid.${this.config}.${section}.${this.option}`;
  }

  load(section) {
    return this.map.data.get(this.config, section, this.option);
  }

  cfgvalue(section, ...value) {
    this.data ??= {};
    if (value.length) [this.data[section]] = value;
    return this.data[section];
  }

  element(section) {
    const node = this.map.root?.querySelector(`[id="${this.cbid(section)}"]`);
    const found = node && dom.findClassInstance(node);
    return found instanceof widgets.Widget ? found : null;
  }

  formvalue(section) {
    return this.element(section)?.getValue() ?? null;
  }

  textvalue(section) {
    const value = this.cfgvalue(section) ?? this.default;
    return value == null ? null : '%h'.format([value].flat().join(' '));
  }

  field(section) {
    return this.map.root?.querySelector(`[data-field="${this.cbid(section)}"]`);
  }

  isActive(section) {
    const field = this.field(section);
    return Boolean(field) && !field.classList.contains('hidden');
  }

  setActive(section, is) {
    const field = this.field(section);
    field?.classList.toggle('hidden', !is);
    return Boolean(field);
  }

  /** What an empty field means depends on `rmempty`; a field that is not shown leaves nothing. */
  async parse(section) {
    if (!this.isActive(section)) return this.retain ? undefined : this.remove(section);
    this.mustBeValid(section);
    const value = this.formvalue(section);
    const isEmpty = value == null || value.length === 0;
    if (isEmpty && (this.rmempty || this.optional)) return this.remove(section);
    if (isEmpty) throw new TypeError(`Option "${this.title}" must not be empty.`);
    if (!same(this.cfgvalue(section), value)) return this.write(section, value);
  }

  mustBeValid(section) {
    const element = this.element(section);
    if (element && !element.isValid()) {
      throw new TypeError(`Option "${this.title}" contains an invalid input value. ${element.getValidationError()}`);
    }
  }

  write(section, value) {
    return this.map.data.set(this.config, section, this.option, value);
  }

  remove(section) {
    return this.map.data.unset(this.config, section, this.option);
  }

  async render(section) {
    const widget = await this.renderWidget(section, 0, this.cfgvalue(section));
    const id = this.cbid(section);
    const label = E('label', { class: 'cbi-value-title', for: `widget.${id}` }, this.title ?? '');
    const place = E('div', { class: 'cbi-value-field' }, [widget]);
    if (this.description) place.append(E('div', { class: 'cbi-value-description' }, this.description));
    const node = E('div', { class: 'cbi-value', 'data-field': id, 'data-name': this.option }, [label, place]);
    if (this.deps.length) node.classList.add('hidden');
    let before = JSON.stringify(this.cfgvalue(section) ?? null);
    node.addEventListener('widget-change', (event) => {
      this.map.checkDepends();
      const now = JSON.stringify(this.formvalue(section));
      if (now !== before) this.onchange?.(event, section, this.formvalue(section));
      before = now;
    });
    dom.bindClassInstance(node, this);
    return node;
  }

  /** What every field is made with. */
  common(section) {
    const { datatype, placeholder, password, rows, map } = this;
    const isReader = this.readonly ?? map.readonly;
    return {
      ...{ id: this.cbid(section), datatype, placeholder, password, rows, keys: this.keylist ?? [], labels: this.vallist ?? [] },
      ...{ optional: this.optional || this.rmempty, disabled: isReader, readonly: isReader },
      validate: (value) => (this.validate ? this.validate(section, value) : true),
    };
  }

  renderWidget(section, index, value) {
    return new widgets.Textfield([value ?? this.default].flat().join(' '), this.common(section)).render();
  }
}

class ListValue extends Value {
  renderWidget(section, index, value) {
    return new widgets.Select(value ?? this.default, { ...this.common(section), optional: this.optional }).render();
  }
}

class MultiValue extends Value {
  renderWidget(section, index, value) {
    return new widgets.Dropdown(value ?? this.default, this.common(section)).render();
  }
}

class DynamicList extends Value {
  renderWidget(section, index, value) {
    return new widgets.DynamicList(value ?? this.default, { ...this.common(section), optional: true }).render();
  }
}

class Flag extends Value {
  constructor(...given) {
    super(...given);
    Object.assign(this, { enabled: '1', disabled: '0', default: '0' });
  }

  renderWidget(section, index, value) {
    const { enabled, disabled } = this;
    return new widgets.Checkbox(value ?? this.default, { ...this.common(section), enabled, disabledValue: disabled }).render();
  }

  textvalue(section) {
    return (this.cfgvalue(section) ?? this.default) === this.enabled ? _('Yes') : _('No');
  }

  /** Unlike other options it is written even if it is what it was. */
  async parse(section) {
    if (!this.isActive(section)) return this.retain ? undefined : this.remove(section);
    this.mustBeValid(section);
    const value = this.formvalue(section);
    if (value === this.default && (this.rmempty || this.optional)) return this.remove(section);
    return this.write(section, value);
  }
}

class TextValue extends Value {
  renderWidget(section, index, value) {
    return new widgets.Textarea(value ?? this.default, this.common(section)).render();
  }
}

class DummyValue extends Value {
  renderWidget(section, index, value) {
    return E('output', { id: this.cbid(section) }, [value ?? this.default ?? '']);
  }

  write() {}

  remove() {}
}

class FileUpload extends Value {
  renderWidget(section, index, value) {
    return new upload(value ?? this.default, { ...this.common(section), validate: null, optional: true, root: this.root_directory }).render();
  }
}

return class {
  constructor() {
    return { Value, ListValue, MultiValue, DynamicList, Flag, TextValue, DummyValue, FileUpload };
  }
};
