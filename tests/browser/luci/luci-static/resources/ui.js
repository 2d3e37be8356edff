'use strict';
'require baseclass';
'require dom';
'require widgets';

// A stand-in for LuCI's `ui`: dialogs, notes, tabs, and how what was saved is applied.

async function post(path, query) {
  return window.LuCI.post(L.url('admin/uci', path), null, query);
}

const changes = {
  /** What is staged takes effect, and the router wants to hear that it can still be reached. */
  async apply(checked) {
    const env = L.env;
    const note = (text) => ui.showModal(null, [E('p', {}, [text])], 'alert-message notice');
    note(_('Applying configuration changes…'));
    const answer = await post(checked ? 'apply_rollback' : 'apply_unchecked', { sid: env.sessionid, token: env.token });
    if (answer.status === 204 && checked) note(_('There are no changes to apply'));
    else if (!answer.ok) note(`Apply request failed with status ${answer.status}`);
    if (answer.status !== 200) return setTimeout(ui.hideModal, 1000 * env.apply_display);
    const { token } = await answer.json();
    await new Promise((resolve) => setTimeout(resolve, 300));
    if (!(await post('confirm', { token })).ok) return note('Configuration changes have been rolled back!');
    note(_('Configuration changes applied.'));
    setTimeout(() => location.reload(), 100);
  },
};

const ui = {
  changes,

  async instantiateView(path) {
    const made = await L.require(`view.${path.replaceAll('/', '.')}`);
    return made;
  },

  showModal(title, children, ...classes) {
    ui.hideModal();
    const modal = E('div', { class: ['modal', ...classes].join(' '), role: 'dialog' }, [E('h4', {}, title ?? '')]);
    dom.append(modal, children);
    document.body.append(E('div', { id: 'modal_overlay' }, [modal]));
    document.body.classList.add('modal-overlay-active');
    return modal;
  },

  hideModal() {
    document.getElementById('modal_overlay')?.remove();
    document.body.classList.remove('modal-overlay-active');
  },

  addNotification(title, children, ...classes) {
    const note = E('div', { class: ['alert-message', ...classes].join(' ') }, [E('h4', {}, title ?? '')]);
    dom.append(note, children);
    document.getElementById('maincontent').prepend(note);
    return note;
  },

  /** A handler that cannot be started twice. */
  createHandlerFn(context, work, ...given) {
    return async (event) => {
      const target = event.currentTarget;
      const run = typeof work === 'function' ? work : context[work];
      target.classList.add('spinning');
      target.disabled = true;
      try {
        await run.call(context, ...given, event);
      } finally {
        target.classList.remove('spinning');
        target.disabled = false;
      }
    };
  },

  tabs: {
    /** Makes tabs of what has `data-tab`. */
    init(group) {
      const panes = [...group.children].filter((pane) => pane.dataset.tab);
      const show = (name) => {
        panes.forEach((pane) => pane.classList.toggle('hidden', pane.dataset.tab !== name));
        menu.querySelectorAll('li').forEach((li) => (li.className = li.dataset.tab === name ? 'cbi-tab' : 'cbi-tab-disabled'));
      };
      const menu = E('ul', { class: 'cbi-tabmenu' }, panes.map((pane) => E('li', { 'data-tab': pane.dataset.tab }, [
        E('a', { href: '#', click: (event) => {
          event.preventDefault();
          show(pane.dataset.tab);
        } }, [pane.dataset.tabTitle]),
      ])));
      group.prepend(menu);
      show(panes[0].dataset.tab);
    },
  },
};

return class {
  constructor() {
    return Object.assign(ui, widgets);
  }
};
