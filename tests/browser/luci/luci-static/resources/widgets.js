'use strict';
'require baseclass';
'require dom';
'require validation';

// A stand-in for the input elements of LuCI's `ui`. Each has a node, a value, and says whether that is right.

/** What all have in common. In the document: `widget-change` whenever the value may have changed. */
class Widget {
  validState = true;
  error = '';

  constructor(value, options) {
    this.value = value;
    this.options = options;
  }

  /** The element that is marked when the value is wrong, and where a text for a datatype is. */
  watch(node, field, text, ...events) {
    this.node = node;
    dom.bindClassInstance(node, this);
    const { datatype, validate, optional = true } = this.options;
    this.triggerValidation = () => {
      const value = text();
      const isEmpty = value.length === 0;
      let right = isEmpty && !optional ? 'Expecting: non-empty value' : true;
      if (right === true && !isEmpty && datatype && typeof value === 'string') right = validation.check(datatype, value);
      if (right === true && validate) right = validate(value);
      this.validState = right === true;
      this.error = right === true ? '' : right;
      field.classList.toggle('cbi-input-invalid', right !== true);
      if (right === true) field.removeAttribute('data-tooltip');
      else field.setAttribute('data-tooltip', right);
    };
    for (const event of events) {
      field.addEventListener(event, () => {
        this.triggerValidation();
        node.dispatchEvent(new CustomEvent('widget-change', { bubbles: true }));
      });
    }
    return node;
  }

  isValid() {
    return this.validState;
  }

  getValidationError() {
    return this.error;
  }
}

class Textfield extends Widget {
  render() {
    const { id, password, placeholder, disabled } = this.options;
    const input = E('input', {
      id: `widget.${id}`, class: 'cbi-input-text', type: password ? 'password' : 'text', placeholder, disabled: disabled ? '' : null,
    });
    input.value = this.value ?? '';
    const reveal = E('button', { class: 'cbi-button', title: 'Reveal/hide password', disabled: disabled ? '' : null, click: () => {
      input.type = input.type === 'password' ? 'text' : 'password';
    } }, ['∗']);
    return this.watch(E('div', { id }, password ? [input, reveal] : [input]), input, () => input.value, 'input', 'change', 'blur');
  }

  getValue() {
    return this.node.querySelector('input').value.trim();
  }
}

class Textarea extends Widget {
  render() {
    const { id, rows, readonly } = this.options;
    const area = E('textarea', { id: `widget.${id}`, class: 'cbi-input-textarea', rows, style: 'width:100%', readonly: readonly ? '' : null });
    area.value = this.value ?? '';
    return this.watch(E('div', { id }, [area]), area, () => area.value, 'input', 'change', 'blur');
  }

  getValue() {
    return this.node.querySelector('textarea').value;
  }
}

class Checkbox extends Widget {
  render() {
    const { id, disabled } = this.options;
    const input = E('input', { id: `widget.${id}`, type: 'checkbox', disabled: disabled ? '' : null });
    input.checked = this.value === this.options.enabled;
    return this.watch(E('div', { id, class: 'cbi-checkbox' }, [input]), input, () => this.getValue(), 'change');
  }

  isChecked() {
    return this.node.querySelector('input').checked;
  }

  getValue() {
    return this.isChecked() ? this.options.enabled : this.options.disabledValue;
  }
}

class Select extends Widget {
  render() {
    const { id, optional, disabled, keys, labels } = this.options;
    const option = (value, label) => E('option', { value }, [label]);
    const all = keys.map((key, i) => option(key, labels[i]));
    const select = E('select', { id: `widget.${id}`, class: 'cbi-input-select', disabled: disabled ? '' : null },
      optional ? [option('', _('-- Please choose --')), ...all] : all);
    if (this.value != null) select.value = this.value;
    return this.watch(E('div', { id }, [select]), select, () => select.value, 'change', 'blur');
  }

  getValue() {
    return this.node.querySelector('select').value;
  }
}

/** Several of a list, which opens on a click or an arrow key. */
class Dropdown extends Widget {
  render() {
    const { id, disabled, keys, labels, placeholder } = this.options;
    const chosen = L.toArray(this.value);
    const shown = E('span', {});
    const item = (key, label) => E('li', { 'data-value': key, tabindex: '-1', selected: chosen.includes(key) ? '' : null, click: (event) => {
      event.stopPropagation();
      toggle(event.currentTarget);
    } }, [label]);
    // What is chosen and not known stays.
    const all = [...keys.map((key, i) => item(key, labels[i])), ...chosen.filter((key) => !keys.includes(key)).map((key) => item(key, key))];
    const list = E('ul', { class: 'dropdown' }, all);
    const node = E('div', { id, class: 'cbi-dropdown', tabindex: disabled ? null : '0', disabled: disabled ? '' : null }, [shown, list]);
    const summary = () => {
      const texts = all.filter((li) => li.hasAttribute('selected')).map((li) => li.textContent);
      shown.textContent = texts.join(', ') || placeholder || _('-- Please choose --');
    };
    const told = () => node.dispatchEvent(new Event('chosen'));
    const toggle = (li) => {
      li.toggleAttribute('selected');
      summary();
      told();
    };
    const close = () => {
      node.removeAttribute('open');
      told();
    };
    if (!disabled) {
      node.addEventListener('click', () => node.toggleAttribute('open'));
      document.addEventListener('click', (event) => !node.contains(event.target) && close());
      document.addEventListener('keydown', (event) => event.key === 'Escape' && node.hasAttribute('open') && close());
      node.addEventListener('keydown', (event) => {
        const at = all.indexOf(document.activeElement);
        if (event.key === 'ArrowDown') {
          node.setAttribute('open', '');
          all[Math.min(at + 1, all.length - 1)]?.focus();
        } else if (event.key === 'ArrowUp') all[Math.max(at - 1, 0)]?.focus();
        else if (event.key === 'Enter' && at >= 0) {
          toggle(all[at]);
          close();
          node.focus();
        } else return;
        event.preventDefault();
      });
    }
    summary();
    return this.watch(node, node, () => this.getValue(), 'chosen');
  }

  getValue() {
    return [...this.node.querySelectorAll('li[selected]')].map((li) => li.dataset.value);
  }
}

/** A list that grows: Enter or the button takes what was typed. */
class DynamicList extends Widget {
  render() {
    const { id, disabled, placeholder } = this.options;
    const input = E('input', { class: 'cbi-input-text', type: 'text', placeholder, disabled: disabled ? '' : null });
    const row = E('div', { class: 'add-item' }, [input, E('button', { class: 'cbi-button cbi-button-add', disabled: disabled ? '' : null, click: () => take() }, ['+'])]);
    const node = E('div', { id, class: 'cbi-dynlist' }, [row]);
    const put = (value) => row.before(E('div', { class: 'item', 'data-value': value, click: (event) => {
      if (disabled) return;
      event.currentTarget.remove();
      told();
    } }, [value]));
    const told = () => node.dispatchEvent(new CustomEvent('widget-change', { bubbles: true }));
    const take = () => {
      if (!input.value || input.classList.contains('cbi-input-invalid')) return;
      put(input.value);
      input.value = '';
      told();
    };
    L.toArray(this.value).forEach(put);
    const watched = this.watch(node, input, () => input.value, 'input', 'blur');
    input.addEventListener('keydown', (event) => event.key === 'Enter' && take());
    return watched;
  }

  getValue() {
    const typed = this.node.querySelector('.add-item input');
    const items = [...this.node.querySelectorAll('.item')].map((item) => item.dataset.value);
    const isMore = typed.value.trim() && !typed.classList.contains('cbi-input-invalid') && !items.includes(typed.value);
    return isMore ? [...items, typed.value] : items;
  }
}

return class {
  constructor() {
    return { Textfield, Textarea, Checkbox, Select, Dropdown, DynamicList, Widget };
  }
};
