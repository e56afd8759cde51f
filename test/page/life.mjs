export async function testLife() {}
