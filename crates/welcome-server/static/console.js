// What makes the console quicker. Every page works without it.
'use strict';

// Times are shown in the zone of whoever looks.
{
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const cookie = `zone=${encodeURIComponent(zone)}`;
  if (zone && !document.cookie.split('; ').includes(cookie)) {
    const secure = location.protocol === 'https:' ? '; Secure' : '';
    document.cookie = `${cookie}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  }
}

// On a wide screen the menu is always open.
for (const menu of document.querySelectorAll('details.menu')) {
  const wide = matchMedia('(min-width: 60rem)');
  const follow = () => (menu.open = wide.matches);
  wide.addEventListener('change', follow);
  follow();
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || wide.matches || !menu.open) return;
    menu.open = false;
    menu.querySelector('summary').focus();
  });
}

for (const button of document.querySelectorAll('[data-copy]')) {
  const label = button.textContent;
  button.hidden = !navigator.clipboard;
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(button.closest('.code').querySelector('pre').innerText);
    button.textContent = button.dataset.copied;
    setTimeout(() => (button.textContent = label), 2000);
  });
}

// A part of a page that the server sends anew whenever it changes.
for (const part of document.querySelectorAll('[data-live]')) {
  const source = new EventSource(part.dataset.live);
  source.addEventListener('part', (event) => {
    // Whoever reads a part with the keyboard does not lose their place.
    if (part.contains(document.activeElement) && document.activeElement !== part) return;
    part.innerHTML = event.data;
  });
  addEventListener('pagehide', () => source.close());
}

// The colours of a preview: a policy lets no style attribute in, but a script of ours may set properties.
const paint = (root) => {
  for (const part of root.querySelectorAll('[data-fill]')) {
    for (const name of ['fill', 'on', 'light', 'dark']) part.style.setProperty(`--${name}`, part.dataset[name]);
  }
};

for (const form of document.querySelectorAll('form[data-preview]')) {
  const shown = document.querySelector('.preview .screen');
  const picture = form.querySelector('input[type=file]');
  let timer;
  let asked = 0;
  const ask = async () => {
    const mine = ++asked;
    const data = new FormData(form);
    if (picture) data.delete(picture.name);
    const answer = await fetch(form.dataset.preview, { method: 'POST', body: new URLSearchParams(data) });
    if (!answer.ok || mine !== asked) return;
    shown.innerHTML = await answer.text();
    paint(shown);
    const file = picture?.files[0];
    if (file) {
      let image = shown.querySelector('.message > img');
      if (!image) {
        image = document.createElement('img');
        image.alt = '';
        shown.querySelector('.message').prepend(image);
      }
      image.src = URL.createObjectURL(file);
      image.addEventListener('load', () => URL.revokeObjectURL(image.src), { once: true });
    }
  };
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(() => ask().catch(() => {}), 250);
  };
  form.addEventListener('input', soon);
  form.addEventListener('change', soon);
}
