'use strict';
'require baseclass';
'require uci';

/*
 * What the agent takes, said before it is saved. The limits are those of the agent's own check of its configuration;
 * each function is the `validate` of an option and answers true or what would be right. An empty value is right unless
 * a function says otherwise.
 */

function size(text) {
	return Array.from(text).length;
}

function bytes(text) {
	return new TextEncoder().encode(text).length;
}

function rule(fits, right) {
	return function(section_id, value) {
		return (value == null || value === '' || fits(value)) ? true : right();
	};
}

function isWebLink(value) {
	return bytes(value) <= 1000 && /^https?:\/\/[^\/\s]\S*$/.test(value) && !/[\u0000-\u001f\u007f-\u009f]/.test(value);
}

function isAbsolute(value) {
	return value.charAt(0) == '/';
}

/* A port of 1 to 65535 after an IPv4 address, or an IPv6 address in brackets. */
function isSocket(value) {
	const m = /^(?:\[([0-9A-Fa-f:.]+)\]|(\d+\.\d+\.\d+\.\d+)):(\d{1,5})$/.exec(value);

	if (!m || +m[3] > 65535)
		return false;

	return m[2] != null ? isIPv4(m[2]) : isIPv6(m[1]);
}

function isIPv4(text) {
	return /^(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/.test(text);
}

/* As DNS has them; one whose last part is a number is none. */
function isName(text) {
	return text.length <= 253 && !/(^|\.)\d+$/.test(text) &&
		text.split('.').every((label) => /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label));
}

function isIPv6(text) {
	try {
		return new URL('http://[%s]/'.format(text)).hostname != '';
	}
	catch (e) {
		return false;
	}
}

function isMinute(text, last) {
	const m = /^(\d\d):(\d\d)$/.exec(text);
	const minute = m ? 60 * m[1] + +m[2] : -1;

	return m && +m[2] < 60 && minute <= last;
}

/* A date, or a date and a time, that is in the calendar. */
function isMoment(value) {
	const m = /^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d:\d\d))?$/.exec(value);
	const day = m ? new Date(Date.UTC(m[1], m[2] - 1, m[3])) : null;

	return m && +m[1] > 1970 && day.getUTCDate() == +m[3] && day.getUTCMonth() == m[2] - 1 && (m[4] == null || isMinute(m[4], 1439));
}

const TIME_ZONE = (() => {
	const name = '(?:[A-Za-z]{3,7}|<[A-Za-z0-9+-]{3,7}>)';
	const offset = '[+-]?(?:2[0-4]|1\\d|0?\\d)(?::[0-5]\\d){0,2}';
	const day = '(?:J(?:36[0-5]|3[0-5]\\d|[12]?\\d?\\d)|M(?:1[0-2]|[1-9])\\.[1-5]\\.[0-6])(?:/(?:2[0-3]|1\\d|0?\\d)(?::[0-5]\\d){0,2})?';

	return new RegExp('^%s%s(?:%s(?:%s)?,%s,%s)?$'.format(name, offset, name, offset, day, day));
})();

return baseclass.extend({
	title: function(section_id, value) {
		return (size(value) >= 1 && size(value) <= 80) ? true : _('Expecting: one line of 1 to 80 characters');
	},

	text: rule((value) => size(value) <= 2000, () => _('Expecting: at most 2000 characters')),

	link: rule(isWebLink, () => _('Expecting: an address that begins with http:// or https://, without spaces')),

	alt: rule((value) => size(value) <= 200, () => _('Expecting: at most 200 characters')),

	color: rule((value) => /^#[0-9A-Fa-f]{6}$/.test(value),
		() => _('Expecting: # and six hexadecimal digits, like #0b5f6b')),

	language: rule((value) => value.length <= 35 && /^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/.test(value),
		() => _('Expecting: a language tag like en, de or zh-hant')),

	path: rule(isAbsolute, () => _('Expecting: an absolute path, beginning with /')),

	socket: rule(isSocket, () => _('Expecting: an address and a port, like 192.168.1.1:8910 or [::]:8910')),

	/* One address of a list; `all` are those that are there. */
	socketOf: function(all, value) {
		const addresses = L.toArray(all).concat(value || []);
		const both = (address) => addresses.indexOf(address.replace(/^\[::\]/, '0.0.0.0')) > -1;

		if (addresses.some((address) => /^\[::\]/.test(address) && both(address)))
			return _('[::] takes IPv4 as well; leave 0.0.0.0 out');

		return this.socket(null, value);
	},

	keyid: rule((value) => /^[\x21-\x7e]{1,64}$/.test(value),
		() => _('Expecting: the key id as in the wpa_psk_file, without spaces, at most 64 characters')),

	passphrase: rule((value) => /^[\x20-\x7e]{8,63}$/.test(value),
		() => _('Expecting: 8 to 63 letters, digits, spaces or signs of ASCII')),

	ifname: rule((value) => bytes(value) <= 15 && value != '.' && value != '..' && !/[\/\s\u0000-\u001f]/.test(value),
		() => _('Expecting: the name of an interface, like phy0-ap1, of at most 15 characters')),

	place: rule((value) => {
		const m = /^\s*([+-]?\d+(?:\.\d+)?)\s*,\s*([+-]?\d+(?:\.\d+)?)\s*$/.exec(value);

		return m && Math.abs(m[1]) <= 90 && Math.abs(m[2]) <= 180;
	}, () => _('Expecting: latitude and longitude in degrees, like 48.1374,11.5755')),

	portal: rule((value) => {
		const m = /^https:\/\/([A-Za-z0-9][A-Za-z0-9.-]*)(:\d{1,5})?(\/[!$-+.-~-]*)?$/.exec(value);

		return m && bytes(value) <= 255 && !/^\d+(\.\d+){3}$/.test(m[1]);
	}, () => _('Expecting: an https:// address with a name, of at most 255 characters')),

	hours: rule((value) => {
		const parts = value.split('-');

		return parts.length == 2 && parts[0] != parts[1] && isMinute(parts[0], 1439) && isMinute(parts[1], 1440);
	}, () => _('Expecting: a span of hours like 08:00-12:00, or 22:00-02:00 over midnight')),

	moment: rule(isMoment, () => _('Expecting: a date like 2026-12-24, or with a time: 2026-12-24 18:00')),

	server: rule((value) => {
		const m = /^https?:\/\/(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::(\d{1,5}))?\/?$/.exec(value);

		if (!m || (m[3] != null && (+m[3] < 1 || +m[3] > 65535)))
			return false;

		return m[1] != null ? isIPv6(m[1]) : (isName(m[2]) || isIPv4(m[2]));
	}, () => _('Expecting: https://HOST or https://HOST:PORT, without a path')),

	/* Not an address, which no public certificate has. */
	hostName: rule((value) => isName(value) && value.indexOf('.') > -1,
		() => _('Expecting: the name in the certificate, like welcome.cafe.example')),

	/* A name and what it is behind UTC; with summer time another name, and the rules for its two ends. */
	timezone: rule((value) => TIME_ZONE.test(value),
		() => _('Expecting: a POSIX time zone like CET-1CEST,M3.5.0,M10.5.0/3')),

	/* A number from one to another, in digits. */
	number: function(from, to) {
		return rule((value) => /^\d{1,6}$/.test(value) && +value >= from && +value <= to,
			() => _('Expecting: a number from %d to %d').format(from, to));
	},

	/* Whether the agent would take this name for a section. */
	name: rule((value) => /^[A-Za-z0-9_]{1,64}$/.test(value),
		() => _('Expecting: 1 to 64 letters, digits or underscores')),

	/* The values of a list. UCI also has several in one, parted by spaces. */
	list: function(section_id, option) {
		return L.toArray(uci.get('welcomed', section_id, option)).join(' ').split(/\s+/).filter((word) => word != '');
	},

	/* Takes the default out of the configuration, as the agent takes nothing for the default. */
	quiet: function(option, value) {
		const write = option.write;

		option.default = value;
		option.write = function(section_id, formvalue) {
			return formvalue == value ? this.remove(section_id) : write.call(this, section_id, formvalue);
		};

		return option;
	}
});
