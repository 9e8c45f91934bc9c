import './styles/font.css';
import './styles/tokens.css';
import './styles/base.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { session } from './lib/api/session.svelte';

session.takeFromAddress();
const target = document.getElementById('app');
if (target) mount(App, { target });
