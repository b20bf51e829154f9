// Follows the newest words until the reader scrolls up, and again when they come back down.

const NEAR = 64; // pixels from the end that still count as "at the end"

export class Follower {
  constructor(scroller, button) {
    this.scroller = scroller;
    this.button = button;
    this.following = true;
    scroller.addEventListener("scroll", () => this.look(), { passive: true });
    button.addEventListener("click", () => this.jump());
    new ResizeObserver(() => this.follow()).observe(scroller);
    this.look();
  }

  look() {
    const rest = this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight;
    this.following = rest < NEAR;
    this.button.hidden = this.following || !this.scroller.querySelector(".message");
  }

  /** Go on to the end if the reader is there. */
  follow() {
    if (this.following) this.scroller.scrollTop = this.scroller.scrollHeight;
    else this.look();
  }

  /** Go to the end whatever the reader does. */
  jump() {
    this.following = true;
    this.button.hidden = true;
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }
}
