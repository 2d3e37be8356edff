'use strict';
'require baseclass';
'require rpc';
'require ui';
'require view.welcomed.rules as rules';

/* Something to say to the guests who are here. Nothing of it is kept. */

const callSay = rpc.declare({
	object: 'welcomed',
	method: 'say',
	params: [ 'network', 'title', 'text', 'link' ],
	reject: true
});

return baseclass.extend({
	/* The form, for these networks. */
	render: function(networks, readonly) {
		const isReader = readonly || !L.hasViewPermission();
		const field = (name, title, widget) => E('div', { 'class': 'cbi-value' }, [
			E('label', { 'class': 'cbi-value-title', 'for': 'welcomed-say-' + name }, [ title ]),
			E('div', { 'class': 'cbi-value-field' }, [ widget ])
		]);
		const input = (name, more) => E('input', Object.assign({
			'id': 'welcomed-say-' + name,
			'class': 'cbi-input-text',
			'type': 'text',
			'disabled': isReader || null
		}, more));
		const network = E('select', { 'id': 'welcomed-say-network', 'class': 'cbi-input-select', 'disabled': isReader || null },
			networks.map((name) => E('option', { 'value': name }, [ name ])));
		const title = input('title', { 'maxlength': '80' });
		const text = E('textarea', { 'id': 'welcomed-say-text', 'class': 'cbi-input-textarea', 'rows': '2', 'style': 'width:100%', 'disabled': isReader || null });
		const link = input('link', { 'placeholder': 'https://' });
		const answer = E('p', { 'role': 'status', 'class': 'welcomed-said' });

		const tell = (node, message) => { node.textContent = message; };

		const say = () => {
			const wrong = [ rules.title(null, title.value), rules.text(null, text.value), rules.link(null, link.value) ]
				.find((right) => right !== true);

			if (wrong != null)
				return tell(answer, wrong);

			return callSay(network.value, title.value, text.value, link.value || undefined).then((told) => {
				title.value = text.value = link.value = '';

				return tell(answer, N_(told.stations, 'It goes to %d guest who is here.',
					'It goes to %d guests who are here.').format(told.stations));
			}, (error) => tell(answer,
				_('It could not be said: %s').format(error.message ?? error)));
		};

		return E('div', { 'class': 'cbi-section', 'id': 'welcomed-say' }, [
			E('h3', {}, [ _('Say something now') ]),
			E('div', { 'class': 'cbi-section-descr' }, [
				_('One message to the guests who are here at this moment. It is not kept.')
			]),
			networks.length ? E('div', { 'class': 'cbi-section-node' }, [
				field('network', _('Network'), network),
				field('title', _('Title'), title),
				field('text', _('Text'), text),
				field('link', _('Link'), link),
				E('div', { 'class': 'cbi-value' }, [
					E('div', { 'class': 'cbi-value-field' }, [
						E('button', {
							'class': 'btn cbi-button cbi-button-action',
							'click': ui.createHandlerFn(this, say),
							'disabled': isReader || null
						}, [ _('Say it now') ]),
						answer
					])
				])
			]) : E('em', {}, [ _('Share a network first.') ])
		]);
	}
});
